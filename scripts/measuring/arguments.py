"""What a text on a command line stands for; each is refused with what would make sense."""

import argparse
from collections.abc import Callable, Collection
from typing import TypeVar

T = TypeVar("T")


def parser(prog: str, about: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """A parser whose texts keep their lines."""
    return argparse.ArgumentParser(
        prog=prog,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def number(least: int, most: int) -> Callable[[str], int]:
    """A whole number, both bounds included."""

    def one(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {least:,} to {most:,}"
            )
        return int(text)

    return one


def between(least: float, most: float) -> Callable[[str], float]:
    """A number, both bounds included."""

    def one(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least:g} to {most:,g}")
        return value

    return one


def one_of(what: str, known: Collection[str]) -> Callable[[str], str]:
    """A name out of those that are known.

    Args:
        what: the names are of, as "mode".
    """

    def one(name: str) -> str:
        if name not in known:
            raise argparse.ArgumentTypeError(f"no {what} {name!r}; known are {', '.join(known)}")
        return name

    return one


def several(one: Callable[[str], T], least: int = 1) -> Callable[[str], tuple[T, ...]]:
    """The parts of a list with commas, each once.

    Args:
        least: 0 if there may be none.
    """

    def all_of(text: str) -> tuple[T, ...]:
        found = tuple(dict.fromkeys(one(part.strip()) for part in text.split(",") if part.strip()))
        if len(found) < least:
            raise argparse.ArgumentTypeError(f"at least {'one' if least == 1 else least} is needed")
        return found

    return all_of
