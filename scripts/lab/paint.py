"""Text with colours, whose width can still be told. Pure."""

from collections.abc import Iterable

# One colour a segment, from the 256 that terminals share; told apart on dark and on light ground,
# none of them red.
_SEGMENT_CODES = ("38;5;39", "38;5;208", "38;5;35", "38;5;170", "38;5;142", "38;5;99")
_CODES = {
    "bold": "1",
    "faint": "2",
    "red": "31",
    "green": "32",
    **{f"segment{index}": code for index, code in enumerate(_SEGMENT_CODES)},
}

Span = tuple[str, str]  # text, and its style: words of _CODES; "" is plain


def segment_style(segment: int) -> str:
    """The style of a segment, counted from 1; colours repeat after six."""
    return f"segment{(segment - 1) % len(_SEGMENT_CODES)}"


def width(spans: Iterable[Span]) -> int:
    """Columns on the screen. All our signs are one column wide."""
    return sum(len(text) for text, _ in spans)


def paint(spans: Iterable[Span], colour: bool) -> str:
    """The spans as one string, with escape sequences if `colour`."""
    if not colour:
        return "".join(text for text, _ in spans)
    return "".join(
        f"\x1b[{_codes(style)}m{text}\x1b[0m" if style and text else text for text, style in spans
    )


def _codes(style: str) -> str:
    return ";".join(_CODES[word] for word in style.split())
