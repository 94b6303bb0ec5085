"""What users hand to a node, checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chatter.config import Config, no_such_setting
from chatter.errors import ConfigError
from chatter.ids import NetID
from chatter.wire.gossip import MAX_TAG_BYTES

# A receipt that takes longer than a day is a mistake in the unit.
MAX_TIMEOUT_S = 86400.0


def known_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """The keywords as Config takes them.

    Raises:
        ConfigError: names one that is no setting.
    """
    for name in fields:
        if name not in Config.__dataclass_fields__ or not Config.__dataclass_fields__[name].init:
            raise no_such_setting(name)
    return fields


def check_tag(tag: object) -> None:
    """Refuse what cannot be a tag.

    Raises:
        ConfigError: not a text of 1 to 255 bytes.
    """
    if callable(tag):
        raise ConfigError(
            'tag: the decorator takes it in brackets: write @chatter.on("tag") above'
            f" {getattr(tag, '__name__', tag)}"
        )
    try:
        size = len(tag.encode()) if isinstance(tag, str) else 0
    except UnicodeEncodeError:  # half of a surrogate pair
        size = 0
    if not 0 < size <= MAX_TAG_BYTES:
        raise ConfigError(f"tag: a text of 1 to {MAX_TAG_BYTES} bytes, not {tag!r}")


def check_timeout(confirm: bool, timeout: object, default: float) -> float:
    """Seconds for a receipt.

    Raises:
        ConfigError: not confirmed, or not from 0 to a day.
    """
    if not confirm:
        raise ConfigError("timeout: it is the receipt's, so it needs confirm=True")
    if timeout is None:
        return default
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise ConfigError(f"timeout: seconds, not {timeout!r}")
    if not 0 < timeout <= MAX_TIMEOUT_S:
        raise ConfigError(f"timeout: above 0 and at most {MAX_TIMEOUT_S:.0f}, not {timeout}")
    return float(timeout)


def check_recipients(to: object) -> list[NetID]:
    """The recipients as a list.

    Raises:
        ConfigError: not a list of NetIDs.
    """
    if isinstance(to, (NetID, str)) or not isinstance(to, Iterable):
        raise ConfigError("to: a list of NetIDs, or None for everybody")
    recipients = list(to)
    for netid in recipients:
        if not isinstance(netid, NetID):
            raise ConfigError(f"to: NetIDs, not {netid!r}; NetID.parse('1.2.3.4:29999') makes one")
        if netid.is_group:
            raise ConfigError(f"to: {netid} is a group; name nodes, or None for everybody")
    return recipients
