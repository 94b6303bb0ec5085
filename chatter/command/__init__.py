"""The command `chatter`: a shell around the library, and the sidecar for other languages.

```
stdin -> inlet -> lines -> requests -> sidecar -> Chatter
                                                    |
stdout <- outlet <- events (--json) or readable <- narrator
```

`lines`, `requests`, `events` and `readable` are pure: bytes in, values or bytes out. Only `inlet`,
`outlet` and `logs` touch file descriptors. Each subcommand is a module of its own, imported when it
is called, so that `chatter keygen` doesn't load the network and `chatter node` is ready soon after
it starts.
"""

from importlib import import_module
from typing import Any

import click

SUBCOMMANDS = ("keygen", "node", "send", "listen", "peers", "top")


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when it is asked for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        module: Any = import_module(f"chatter.command.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chatter", message="%(prog)s %(version)s")
def chatter() -> None:
    """Tell something to a set of other processes, with no broker between them.

    All nodes of a cluster share one key. Make it once, give it to each of them, and start:

    \b
        chatter keygen --out chatter.key
        chatter node --key-file chatter.key            # in one terminal
        chatter node --key-file chatter.key            # in another
        chatter send hello '{"text": "world"}' --key-file chatter.key

    Instead of options the environment may say CHATTER_KEY, CHATTER_ADDRESS, CHATTER_PORT,
    CHATTER_MULTICAST_ADDRESS, CHATTER_MULTICAST_PORT and CHATTER_MULTICAST_TTL, for chatter node
    also CHATTER_DASHBOARD and CHATTER_DASHBOARD_TOKEN; an option wins.

    Exit status: 0 done; 1 could not start, or reached nobody; 2 bad options or no key; 3 reached
    some and not all, where that was asked for.
    """
