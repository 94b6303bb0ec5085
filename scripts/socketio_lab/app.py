"""The application that gunicorn runs: clients have their worker do things, by event or HTTP.

Which manager joins the workers, LAB_MANAGER says; nothing else differs.
"""

from __future__ import annotations

import os
import time
from typing import Any

from flask import Flask, jsonify, request
from flask_socketio import SocketIO

from chatter.integrations.socketio import ChatterManager
from scripts.socketio_lab.managers import make_manager

NAMESPACES = ("/", "/other")


app = Flask(__name__)
server = SocketIO(app, client_manager=make_manager(os.environ))


@app.get("/pid")
def pid() -> Any:
    """Which worker answers."""
    return jsonify(os.getpid())


@app.post("/emit")
def emit() -> Any:
    """Emit from a view: ``event``, ``data``, and the keywords of ``SocketIO.emit``. Who did it."""
    options = request.get_json()
    server.emit(options.pop("event"), options.pop("data"), **options)
    return jsonify(os.getpid())


@app.post("/ask")
def ask() -> Any:
    """Emit from a view with a callback, and wait for what the client answers."""
    options = request.get_json()
    answer = server.call("question", options["data"], to=options["to"])
    return jsonify([os.getpid(), answer])


@app.post("/flood")
def flood() -> Any:
    """Numbered emits from a view, each with the moment it was made. Which worker did it."""
    options = request.get_json()
    room, size = options["to"], options["size"]
    padding = "x" * size
    pause_s = options["pause_s"]
    begin = time.monotonic()
    for number in range(options["count"]):
        # From a fixed start: what one emit takes must not make for a slower pace.
        server.sleep(max(0.0, begin + number * pause_s - time.monotonic()))
        server.emit("flood", (number, time.monotonic_ns(), padding), to=room)
    return jsonify(os.getpid())


def _whoami() -> list[Any]:
    return [os.getpid(), _sid()]


def _emit(options: dict[str, Any]) -> None:
    arguments = tuple(options.pop("args"))
    server.emit(options.pop("event"), arguments, namespace=_namespace(), **options)


def _ask(to: str, *arguments: Any) -> None:
    """The answer is told to who asked."""
    asker, namespace = _sid(), _namespace()

    def answered(*answer: Any) -> None:
        server.emit("answered", answer, namespace=namespace, to=asker)

    server.emit("question", arguments, namespace=namespace, to=to, callback=answered)


def _do(what: str, arguments: dict[str, Any]) -> None:
    """``enter_room``, ``leave_room``, ``close_room`` or ``disconnect``, of whomever."""
    getattr(server.server, what)(namespace=_namespace(), **arguments)


def _stats() -> Any:
    """The counters of the worker's node; nothing where it has none."""
    manager = server.server.manager
    return manager.chatter.stats() if isinstance(manager, ChatterManager) else {}


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]


def _namespace() -> str:
    return str(request.namespace)  # type: ignore[attr-defined]


for namespace in NAMESPACES:
    for function in (_whoami, _emit, _ask, _do, _stats):
        server.on_event(function.__name__.removeprefix("_"), function, namespace=namespace)
