"""A second implementation of the wire format, written from docs/protocol.md, for test vectors.

Nothing here imports `chatter`: an error that both share would have to be made twice. Slow and plain
on purpose; it only encodes.
"""
