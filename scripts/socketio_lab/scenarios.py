"""What a manager carries from worker to worker, as scenarios: who is told what, in which order.

Five clients, of which two share a worker, and a manager that only writes. Each scenario ends with a
fence from everybody who emitted, so that what came twice or to the wrong one is seen as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from scripts.lab.errors import LabError
from scripts.socketio_lab.clients import Client, Fences, close_all, connect
from scripts.socketio_lab.managers import make_manager
from scripts.socketio_lab.workers import Workers, wait_for

Told = dict[str, list[list[Any]]]
"""By the client's name: namespace, event and arguments, in the order in which they came."""

_NAMES = ("ada", "alan", "barbara", "claude", "donald")
# Workers by their place: ada and alan share one.
_PLACES = (0, 0, 1, 2, 3)
_MOST_CLIENTS = 200
_NAMESPACES = ("/", "/other")


class Stage:
    """The clients, by name, and who makes them be told something."""

    def __init__(self, clients: dict[str, Client], writer: Any) -> None:
        self.clients = clients
        self.writer = writer
        """The manager that only writes."""
        self._fences = Fences()

    def sid(self, name: str, namespace: str = "/") -> str:
        """A client's name for Socket.IO."""
        return self.clients[name].sid_in(namespace)

    def emit(self, by: str, event: str, *arguments: Any, namespace: str = "/", **how: Any) -> None:
        """Have the worker of a client emit, as from any handler there."""
        options = {"event": event, "args": list(arguments), **how}
        self.clients[by].call("emit", options, namespace=namespace)

    def do(self, by: str, what: str, namespace: str = "/", **arguments: Any) -> None:
        """Have the worker of a client call a method of its server."""
        self.clients[by].call("do", what, arguments, namespace=namespace)

    def fence(self, emitter: str) -> None:
        """Wait until all has arrived that was emitted by the worker of a client, or by ``writer``.

        For what one emits comes in order, and what several do in any.
        """
        number = self._fences.next()
        if emitter == "writer":
            self.writer.emit("fence", number)
        else:
            self.emit(emitter, "fence", number)
        here = [client for client in self.clients.values() if "/" not in client.ended]
        self._fences.wait(number, here)

    def told(self) -> Told:
        """What they were told since this was last asked."""
        told = {name: client.events for name, client in self.clients.items() if client.events}
        for client in self.clients.values():
            client.events = []
        return told


def to_everybody(stage: Stage) -> None:
    stage.emit("ada", "news", "from ada")
    stage.fence("ada")
    stage.emit("barbara", "news", "from barbara", 2, None, True, 1.5, {"nested": ["ä", "\u2028"]})
    stage.emit("barbara", "nothing")
    stage.fence("barbara")


def in_order(stage: Stage) -> None:
    for number in range(20):
        stage.emit("donald", "step", number, to=stage.sid("claude"))
    stage.fence("donald")


def to_a_room(stage: Stage) -> None:
    for name in ("ada", "barbara", "claude"):
        stage.do(name, "enter_room", sid=stage.sid(name), room="den")
    stage.do("barbara", "enter_room", sid=stage.sid("barbara"), room="attic")
    stage.do("donald", "enter_room", sid=stage.sid("donald"), room="attic")
    for name in ("ada", "barbara", "donald"):
        stage.emit(name, "den", f"from {name}", to="den")
        stage.fence(name)
    stage.emit("alan", "both", to=["den", "attic"])
    stage.emit("alan", "void", to="nobody is here")
    stage.fence("alan")


def skipping(stage: Stage) -> None:
    stage.emit("ada", "skips one", skip_sid=stage.sid("barbara"))
    stage.emit("ada", "skips two", skip_sid=[stage.sid("alan"), stage.sid("claude")])
    stage.emit("ada", "skips in a room", to="den", skip_sid=stage.sid("claude"))
    stage.fence("ada")


def namespaces(stage: Stage) -> None:
    for name in ("alan", "claude"):
        sid = stage.sid(name, "/other")
        stage.do(name, "enter_room", namespace="/other", sid=sid, room="den")
    stage.emit("ada", "elsewhere", 1, namespace="/other")
    stage.emit("ada", "elsewhere in the den", 2, namespace="/other", to="den")
    stage.fence("ada")


def binary(stage: Stage) -> None:
    stage.emit("ada", "bytes", b"\x00\xff", to=stage.sid("claude"))
    nested = {"a": [b"one", {"b": b""}], "text": "two"}
    stage.emit("ada", "nested", nested, b"three", 4, to=[stage.sid("alan"), stage.sid("donald")])
    stage.emit("ada", "large", b"\x5a" * 200_000, to=stage.sid("barbara"))
    stage.fence("ada")


def callbacks(stage: Stage) -> None:
    for to in ("alan", "barbara", "donald"):
        stage.clients["ada"].call("ask", stage.sid(to), "how", {"are": "you"})
        ada = stage.clients["ada"].events
        wait_for(lambda: ada and ada[-1][1] == "answered", "the answer")  # noqa: B023
        stage.fence("ada")
        ada[-1][1] = f"answered by {to}"


def rooms_of_others(stage: Stage) -> None:
    stage.do("ada", "enter_room", sid=stage.sid("donald"), room="loft")
    stage.do("ada", "enter_room", sid=stage.sid("alan"), room="loft")
    stage.emit("ada", "to the loft", 1, to="loft")
    stage.fence("ada")
    stage.do("ada", "leave_room", sid=stage.sid("donald"), room="loft")
    stage.emit("ada", "to the loft", 2, to="loft")
    stage.fence("ada")


def closing_a_room(stage: Stage) -> None:
    stage.emit("claude", "still open", to="den")
    stage.do("claude", "close_room", room="den")
    stage.emit("claude", "closed", to="den")
    stage.fence("claude")


def from_outside(stage: Stage) -> None:
    writer = stage.writer
    writer.emit("written", "to all")
    writer.emit("written", {"data": b"\x01\x02"}, room=stage.sid("claude"))
    writer.emit("written", ("two", "arguments"), room=stage.sid("ada"))
    writer.emit("written", "elsewhere", namespace="/other", skip_sid=stage.sid("ada", "/other"))
    for name in ("ada", "donald"):
        writer.enter_room(stage.sid(name), "/", "written")
    writer.emit("written", "to its room", room="written")
    writer.leave_room(stage.sid("ada"), "/", "written")
    writer.emit("written", "to its smaller room", to="written")
    writer.close_room("written")
    writer.emit("written", "to its closed room", to="written")
    stage.fence("writer")


def disconnecting(stage: Stage) -> None:
    stage.do("ada", "disconnect", namespace="/other", sid=stage.sid("barbara", "/other"))
    barbara = stage.clients["barbara"]
    wait_for(lambda: "/other" in barbara.ended, "the end in one namespace")
    stage.emit("ada", "who is in other", namespace="/other")
    stage.fence("ada")
    stage.do("ada", "disconnect", sid=stage.sid("donald"))
    donald = stage.clients["donald"]
    wait_for(lambda: "/" in donald.ended, "the end")
    stage.emit("ada", "who is left")
    stage.fence("ada")


SCENARIOS: tuple[Callable[[Stage], None], ...] = (
    to_everybody,
    in_order,
    to_a_room,
    skipping,
    namespaces,
    binary,
    callbacks,
    rooms_of_others,
    closing_a_room,
    from_outside,
    disconnecting,
)


def perform(workers: Workers) -> dict[str, Told]:
    """The transcript: what was told to whom, by the name of the scenario."""
    with _staged(workers) as stage:
        transcript = {}
        for scenario in SCENARIOS:
            scenario(stage)
            transcript[scenario.__name__] = stage.told()
        return transcript


@contextlib.contextmanager
def _staged(workers: Workers) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        clients: list[Client] = []
        stack.callback(lambda: close_all(clients))
        while not (chosen := _placed(clients)):
            if len(clients) >= _MOST_CLIENTS:
                raise LabError(f"of {len(clients)} clients too many are on the same workers")
            clients += connect(workers, 8, _NAMESPACES)
        others = [client for client in clients if client not in chosen]
        close_all(others)
        writer = make_manager(workers.settings, write_only=True)
        if hasattr(writer, "stop"):
            stack.callback(writer.stop)
        named = dict(zip(_NAMES, chosen, strict=True))
        for name, client in named.items():
            client.answer = f"{name} says"
        yield Stage(named, writer)


def _placed(clients: list[Client]) -> list[Client]:
    """One for each place; none while that cannot be."""
    by_pid: dict[int, list[Client]] = {}
    for client in clients:
        by_pid.setdefault(client.pid, []).append(client)
    groups = sorted(by_pid.values(), key=len, reverse=True)
    if len(groups) <= max(_PLACES) or len(groups[0]) < _PLACES.count(0):
        return []
    return [groups[place].pop() for place in _PLACES]
