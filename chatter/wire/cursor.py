"""Take n bytes or raise: the only place of ``wire`` that slices bytes from the network."""

from __future__ import annotations

from chatter.errors import FrameError, Truncated
from chatter.wire.varint import MAX_BITS, decode_varint


class Cursor:
    """Reads forward through bytes that somebody else wrote, and never past their end."""

    __slots__ = ("_data", "_end", "_pos")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self._pos = position
        self._end = len(data)

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self._pos

    @property
    def position(self) -> int:
        """Where the cursor is."""
        return self._pos

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes.

        Raises:
            Truncated: fewer are left. Nothing is allocated for what is not there.
        """
        start = self._pos
        stop = start + count
        if stop > self._end:
            raise Truncated(f"{count} bytes promised, {self._end - start} are there")
        self._pos = stop
        return self._data[start:stop]

    def peek(self, count: int) -> bytes:
        """The next ``count`` bytes, or fewer at the end; they stay to be read."""
        return self._data[self._pos : self._pos + count]

    def skip(self, expected: bytes) -> bool:
        """Pass over these bytes, if they come next."""
        if not self._data.startswith(expected, self._pos):
            return False
        self._pos += len(expected)
        return True

    def since(self, position: int) -> bytes:
        """What was read from this position on."""
        return self._data[position : self._pos]

    def byte(self) -> int:
        """The next byte as a number."""
        if self._pos >= self._end:
            raise Truncated("a byte promised, none is there")
        self._pos += 1
        return self._data[self._pos - 1]

    def varint(self, max_bits: int = MAX_BITS) -> int:
        """The next variable length integer."""
        if self._pos < self._end and (byte := self._data[self._pos]) < 128:
            self._pos += 1  # nearly every one: a call less for each field of each record
            return byte
        value, self._pos = decode_varint(self._data, self._pos, max_bits)
        return value

    def uint(self, count: int) -> int:
        """The next ``count`` bytes as a big-endian number."""
        return int.from_bytes(self.take(count), "big")

    def sized(self) -> bytes:
        """The bytes behind a length that stands before them."""
        return self.take(self.varint())

    def text(self) -> str:
        """The UTF-8 text behind a length that stands before it."""
        try:
            return self.sized().decode()
        except UnicodeDecodeError:
            raise FrameError("a text that is not UTF-8") from None

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self._end - self._pos)

    def finish(self) -> None:
        """Insist that everything was read.

        Raises:
            FrameError: bytes are left that nobody announced.
        """
        if self._pos != self._end:
            raise FrameError(f"{self._end - self._pos} bytes too many")
