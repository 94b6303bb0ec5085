"""`python -m chatter` and the console script `chatter`: patch, then hand over to the commands.

The library never monkey-patches; a program does, and this is one. The patch comes before the first
import of anything that keeps a socket or a lock, so it stands inside `main()` and not above it:
importing this module (as a test or a documentation tool may) changes nothing.
"""


def main() -> None:
    """Run the command line; ends the process with the exit status of the command."""
    from gevent import monkey

    monkey.patch_all()

    from chatter.command import chatter

    chatter(prog_name="chatter")


if __name__ == "__main__":
    main()
