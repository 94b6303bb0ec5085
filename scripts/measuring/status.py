"""What is being done at the moment, in a line that the next one takes the place of."""

import sys


def say_now(text: str) -> None:
    """On stderr where somebody looks, else nowhere; empty takes the line away."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
