"""A node for measurements that makes one kind of tree, whatever it measures.

Run as `python -m scripts.tree.node planned|halving|star …`, with what `scripts.lab.recorder` takes.
"""

import sys

from chatter.core.timing import Timing
from scripts.lab import recorder


def main() -> None:
    """Runs until it is asked to leave."""
    tree = sys.argv.pop(1)
    if tree == "halving":
        Timing.knows_sends = property(lambda self: False)  # type: ignore[method-assign, assignment]
    elif tree == "star":
        # Nothing costs anything, so nobody has to help.
        measured = Timing.send_s
        Timing.send_s = (  # type: ignore[method-assign]
            lambda self, size: None if measured(self, size) is None else 1e-9
        )
    recorder.main()


if __name__ == "__main__":
    main()
