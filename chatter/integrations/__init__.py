"""Thin layers between chatter and what people run: each its own module, each with its own extra.

None is imported by the rest of chatter, so a node needs none of them.
"""
