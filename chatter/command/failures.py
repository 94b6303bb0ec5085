"""How a command ends when it can't do what was asked: one sentence on stderr, and a status.

| status | class | whose fault |
| --- | --- | --- |
| 1 | `CouldNotStart` | the machine or the network: a port taken, no such interface |
| 1 | `NobodyReached` | nobody's; there was no peer to tell or to show |
| 1 | `Interrupted` | nobody's; SIGINT or SIGTERM came first |
| 2 | `BadOptions` | the caller's: an option that makes no sense, no key, a bad key |
| 3 | `SomeMissing` | nobody's; it went out, and not all have said that they have it |

click itself exits with 2 for options it doesn't know.
"""

import click


class CouldNotStart(click.ClickException):
    """The options are fine and the node still can't run here."""

    exit_code = 1


class NobodyReached(click.ClickException):
    """There was no peer within the time given."""

    exit_code = 1


class Interrupted(click.ClickException):
    """The command was told to end before it had done its work."""

    exit_code = 1


class BadOptions(click.ClickException):
    """An option, an environment variable or the key can't be used as given."""

    exit_code = 2


class SomeMissing(click.ClickException):
    """A confirmed broadcast went out, and not everybody is known to have it."""

    exit_code = 3
