"""The tree of exceptions is the one its module's docstring draws."""

from __future__ import annotations

import inspect

from chatter import errors
from chatter.errors import ChatterError, FrameError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, Exception)
}


def _drawn() -> dict[str, str]:
    """Each name in the drawing, and the name it hangs from; headings count for nothing."""
    parents: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("│", " ").replace("├──", "   ").replace("└──", "   ").split()
        if not words or not line.startswith("    "):
            continue
        indent = line.index(words[0])
        while stack and stack[-1][0] >= indent:
            stack.pop()
        if words[0] in CLASSES:
            known = [name for _, name in stack if name in CLASSES]
            parents[words[0]] = known[-1] if known else ""
        stack.append((indent, words[0]))
    return parents


def test_every_error_is_drawn_where_it_is() -> None:
    drawn = _drawn()

    assert set(drawn) == set(CLASSES)
    for name, parent in drawn.items():
        expected = CLASSES[parent] if parent else Exception
        assert CLASSES[name].__bases__ == (expected,), name


def test_every_error_has_a_root_and_says_what_it_means() -> None:
    for name, one in CLASSES.items():
        assert issubclass(one, ChatterError), name
        assert one.__doc__, name


def test_drops_are_counted_apart() -> None:
    reasons = [one.reason for one in CLASSES.values() if issubclass(one, FrameError)]

    assert len(set(reasons)) == len(reasons)
    assert all(reason.isidentifier() for reason in reasons)
