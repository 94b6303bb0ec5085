"""Where pictures go: redrawn in place on a terminal, appended anywhere else."""

import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from scripts.lab.paint import Span, paint

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Lines that are too long are cut by the terminal rather than wrapped: a wrapped one would break the
# count of lines.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_ERASE_BELOW = "\x1b[J"


class Screen:
    """Shows one picture after the other.

    Args:
        stream: standard output, as a rule.
        environment: NO_COLOR (any value but an empty one) and TERM=dumb are honoured.
    """

    def __init__(self, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        self.live = stream.isatty() and environment.get("TERM", "dumb") != "dumb"
        self._colour = self.live and not environment.get("NO_COLOR")
        self._height = 0
        self._begun = False

    def show(self, lines: list[list[Span]]) -> None:
        """Puts `lines` in the place of what was shown before; where that can't be, below it."""
        if not self.live:
            self._write("".join(f"{paint(line, self._colour)}\n" for line in lines) + "\n")
            return
        # The cursor can't go up beyond the first row of the terminal: what doesn't fit is cut out
        # of the middle, since the title stands first and the figures last.
        room = shutil.get_terminal_size().lines - 1
        if len(lines) > room:
            cut = len(lines) - room + 1
            keep = max(1, room - 5)
            lines = [*lines[:keep], [(f" … {cut} lines more", "faint")], *lines[keep + cut :]]
        begin = "" if self._begun else _HIDE_CURSOR + _NO_WRAP
        self._begun = True
        up = f"\x1b[{self._height}A" if self._height else ""
        text = "".join(f"{paint(line, self._colour)}\x1b[K\n" for line in lines)
        self._write(f"{begin}\r{up}{text}{_ERASE_BELOW}")
        self._height = len(lines)

    def status(self, text: str) -> None:
        """Shows one line that the next picture replaces; nothing where that can't be."""
        if self.live:
            self.show([[(f" {text}", "faint")]])

    def close(self) -> None:
        """Gives the terminal back as it was; the last picture stays."""
        if self._begun:
            self._begun = False
            self._height = 0
            self._write(_SHOW_CURSOR + _WRAP)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
