"""The managers that are compared, by the settings of the lab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import socketio

from chatter.integrations.socketio import ChatterManager


def make_manager(settings: Mapping[str, str], write_only: bool = False) -> Any:
    """What LAB_MANAGER names: ``chatter``, with LAB_KEY and LAB_GROUP, or the URL of a Redis."""
    which = settings["LAB_MANAGER"]
    if which != "chatter":
        return socketio.RedisManager(which, write_only=write_only)
    return ChatterManager(
        write_only=write_only,
        address="127.0.0.1:0",
        key=settings["LAB_KEY"],
        multicast=[settings["LAB_GROUP"]],
        interface="127.0.0.1",
    )
