"""Input in chunks of any size -> whole lines, with a limit on what is kept.

A line above the limit is reported once, as soon as it is known to be too long, and what remains of
it is thrown away as it comes; after its newline the next line is read as if nothing had happened.
So a client that sends a gigabyte without a newline costs us one limit of memory and one error.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TooLong:
    """Stands where a line stood that was above the limit."""

    limit_bytes: int


class LineReader:
    """Collects lines of at most `limit_bytes`, the newline not counted."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._unfinished = bytearray()
        self._skipping = False

    @property
    def held_bytes(self) -> int:
        """What is kept of the unfinished line; never above the limit."""
        return len(self._unfinished)

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines that `chunk` completes, without their newlines, in the order they came."""
        found: list[bytes | TooLong] = []
        pieces = chunk.split(b"\n")
        for piece in pieces[:-1]:
            self._add(piece, found)
            if not self._skipping:
                found.append(bytes(self._unfinished))
            self._unfinished.clear()
            self._skipping = False
        self._add(pieces[-1], found)
        return found

    def finish(self) -> list[bytes | TooLong]:
        """The last line, where the input ends without a newline after it."""
        last: list[bytes | TooLong] = [bytes(self._unfinished)] if self._unfinished else []
        self._unfinished.clear()
        self._skipping = False
        return last

    def _add(self, piece: bytes, found: list[bytes | TooLong]) -> None:
        if self._skipping:
            return
        if len(self._unfinished) + len(piece) > self._limit_bytes:
            self._unfinished.clear()
            self._skipping = True
            found.append(TooLong(self._limit_bytes))
            return
        self._unfinished += piece
