"""The options by which a node finds its place: shared by all commands that join."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from chatter import Config, ConfigError
from chatter.command.failures import BadOptions
from chatter.config import bind_address, join_address
from chatter.net.interfaces import default_address

Command = Callable[..., None]

# None would be "not said", and leave it to CHATTER_DASHBOARD.
NO_DASHBOARD = ""


@dataclass(frozen=True, slots=True)
class MemberOptions:
    """What was said on the command line; None is "not said", and leaves it to the environment."""

    address: str | None
    advertise: str | None
    multicast: list[str] | None
    interface: str | None
    join: list[str] | None
    key_file: str | None
    label: str | None

    def config(self, **others: Any) -> Config:
        """The configuration: these options first, then CHATTER_*, then the defaults.

        Args:
            others: more fields of Config, for those commands that have options for them.

        Raises:
            BadOptions: one of them makes no sense, or the key is no key.
        """
        # A file named on the command line goes before CHATTER_KEY, so it is read here: for Config,
        # which can't know where a setting came from, the environment goes before `key_file`.
        keys = None if self.key_file is None else read_key_file(self.key_file)
        try:
            return Config.from_env(
                address=self.address,
                advertise=self.advertise,
                multicast=self.multicast,
                interface=self.interface,
                join=self.join,
                key=keys,
                label=self.label,
                leave_on_sigterm=False,  # the command leaves by itself, with status 0
                **others,
            )
        except ConfigError as error:
            raise BadOptions(str(error)) from None


OPTIONS = (
    click.option(
        "--address",
        metavar="IP:PORT",
        help="Listen here; port 0 picks a free one. Unset: CHATTER_ADDRESS, else the default "
        "route's address; `chatter node` with CHATTER_PORT (29999), or a free port if that is "
        "taken, the other commands always with a free one.",
    ),
    click.option(
        "--advertise",
        metavar="IP:PORT",
        help="The address others reach this node at, where it isn't the one it listens on.",
    ),
    click.option(
        "--multicast",
        metavar="GROUP:PORT",
        multiple=True,
        help="Speak to and hear this multicast group. May be given several times. Unset: "
        "CHATTER_MULTICAST_ADDRESS and CHATTER_MULTICAST_PORT (224.1.1.1:29999).",
    ),
    click.option("--no-multicast", is_flag=True, help="No multicast at all; needs --join."),
    click.option(
        "--interface",
        metavar="IP",
        help="Multicast on the interface that has this address. Unset: that of --address.",
    ),
    click.option(
        "--join",
        metavar="HOST:PORT",
        multiple=True,
        help="Meet the others at this node; tried again until it answers. "
        "May be given several times.",
    ),
    click.option(
        "--key-file",
        metavar="FILE",
        help="Read the cluster's key from FILE. Unset: CHATTER_KEY. Make one with chatter keygen.",
    ),
    click.option(
        "--label",
        metavar="NAME",
        help="Clusters with different labels don't hear each other, even with the same key.",
    ),
)


def member_options(command: Command) -> Command:
    """The command with the options above, which come as its first argument, a `MemberOptions`."""

    @functools.wraps(command)
    def collect(
        address: str | None,
        advertise: str | None,
        multicast: tuple[str, ...],
        no_multicast: bool,
        interface: str | None,
        join: tuple[str, ...],
        key_file: str | None,
        label: str | None,
        **others: Any,
    ) -> None:
        if no_multicast and multicast:
            raise click.UsageError("--multicast and --no-multicast exclude each other.")
        groups = [] if no_multicast else list(multicast) or None
        options = MemberOptions(
            address=address,
            advertise=advertise,
            multicast=groups,
            interface=interface,
            join=list(join) or None,
            key_file=key_file,
            label=label,
        )
        command(options, **others)

    decorated: Command = collect
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


def visiting_config(options: MemberOptions, *, also_join: tuple[str, ...] = ()) -> Config:
    """The configuration of a short-lived member: any free port, and `also_join` to meet as well.

    A visitor must not sit on CHATTER_PORT: the node that belongs there may be about to start. Nor
    on CHATTER_DASHBOARD, where somebody would look at a node that is gone the next moment.

    Raises:
        BadOptions: one of the options makes no sense, or the key is no key.
    """
    joined = [*(options.join or ()), *also_join]
    options = replace(options, join=joined or None)
    config = options.config(dashboard=NO_DASHBOARD)
    if options.address is not None:
        return config
    if config.address is not None:
        host, _ = bind_address(config.address)
    else:
        host = config.interface or default_address()
    return replace(options, address=join_address(host, 0)).config(dashboard=NO_DASHBOARD)


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """What was said of the dashboard; None is "not said", and leaves it to the environment."""

    address: str | None
    send: bool
    token_file: str | None

    def fields(self) -> dict[str, Any]:
        """The fields of Config that were said.

        Raises:
            BadOptions: the token can't be read.
        """
        token = None if self.token_file is None else read_token_file(self.token_file)
        return {
            "dashboard": self.address,
            "dashboard_send": self.send or None,
            "dashboard_token": token,
        }


DASHBOARD_OPTIONS = (
    click.option(
        "--dashboard",
        metavar="HOST:PORT",
        help="Show the whole cluster to browsers there; port 0 picks a free one, fd://N is a "
        "listening socket that was passed on. Any address but one of loopback needs a token. "
        "Unset: CHATTER_DASHBOARD.",
    ),
    click.option(
        "--dashboard-send",
        is_flag=True,
        help="Let who sees the dashboard send test broadcasts from it.",
    ),
    click.option(
        "--dashboard-token-file",
        metavar="FILE",
        help="Show the dashboard to those who know the token in FILE. Unset: "
        "CHATTER_DASHBOARD_TOKEN.",
    ),
)


def dashboard_options(command: Command) -> Command:
    """The command with the options above, which come as its argument `shown`."""

    @functools.wraps(command)
    def collect(
        *args: Any,
        dashboard: str | None,
        dashboard_send: bool,
        dashboard_token_file: str | None,
        **others: Any,
    ) -> None:
        shown = DashboardOptions(dashboard, dashboard_send, dashboard_token_file)
        command(*args, shown=shown, **others)

    decorated: Command = collect
    for option in reversed(DASHBOARD_OPTIONS):
        decorated = option(decorated)
    return decorated


def read_token_file(path: str) -> str:
    """The token in a file, without the white space around it.

    Raises:
        BadOptions: it can't be read, or there is nothing in it.
    """
    try:
        token = Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise BadOptions(f"--dashboard-token-file: {path}: {error.strerror}") from None
    if not token:
        raise BadOptions(
            f"--dashboard-token-file: {path} is empty; "
            'python -c "import secrets; print(secrets.token_urlsafe())" makes a token'
        )
    return token


def read_key_file(path: str) -> list[str]:
    """The keys in a file, one a line, the first sealing.

    Raises:
        BadOptions: it can't be read, or there is nothing in it.
    """
    try:
        text = Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise BadOptions(
            f"--key-file: {path}: {error.strerror}; `chatter keygen --out FILE` makes one"
        ) from None
    keys = [line for line in text.splitlines() if line.strip()]
    if not keys:
        raise BadOptions(f"--key-file: {path} is empty; `chatter keygen` makes a key")
    return keys
