"""Bytes to values and back. Holds nothing but an unfinished frame; does no I/O and never logs.

Whatever the bytes, a decoder returns a value or raises a ``FrameError``, and checks every size
before it allocates. The byte tables stand in ``docs/protocol.md``.
"""
