"""The replay window: each counter of a sender is accepted once, in any order within the window.

Source: RFC 6479, "IPsec Anti-Replay Algorithm without Bit Shifting": the bitmap is a ring of
blocks, and moving forward clears whole blocks instead of shifting. A block here is one byte.
"""

from __future__ import annotations

from chatter.errors import Replayed

# Wide enough for what a fast sender has on its way while receivers' greenlets take turns; 1 KiB a
# sender.
WINDOW = 8192
_RING_BYTES = WINDOW // 8
# One block is being overwritten while the newest counters fill it, so it cannot be relied on.
USABLE_WINDOW = WINDOW - 8


class ReplayWindow:
    """Which counters of one life on one channel were seen."""

    __slots__ = ("_bits", "_floor", "_top")

    def comes_next(self, counter: int) -> bool:
        """Whether it is above all that was seen."""
        return counter > self._top and counter > self._floor

    def __init__(self, floor: int = 0) -> None:
        """A window that accepts only counters above ``floor``."""
        self._top = self._floor = floor
        self._bits = bytearray(_RING_BYTES)

    def check(self, counter: int) -> None:
        """Refuse what was seen or is too old. Called before the costly opening; changes nothing.

        Raises:
            Replayed: seen, below the floor, or further back than the window reaches.
        """
        if counter > self._top and counter > self._floor:
            return
        if counter <= self._floor or counter + USABLE_WINDOW <= self._top:
            raise Replayed("a counter below the window")
        if self._bits[(counter >> 3) % _RING_BYTES] >> (counter & 7) & 1:
            raise Replayed("a counter that was seen")

    def accept(self, counter: int) -> None:
        """Remember a counter that passed ``check`` and whose frame authenticated."""
        if counter > self._top:
            blocks = min((counter >> 3) - (self._top >> 3), _RING_BYTES)
            for block in range((counter >> 3) - blocks + 1, (counter >> 3) + 1):
                self._bits[block % _RING_BYTES] = 0
            self._top = counter
        self._bits[(counter >> 3) % _RING_BYTES] |= 1 << (counter & 7)

    def raise_floor(self, floor: int) -> None:
        """Refuse every counter up to ``floor`` from now on."""
        self._floor = max(self._floor, floor)
