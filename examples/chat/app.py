"""A chat over four workers without a broker: Flask-SocketIO, and chatter between the workers.

    cd examples/chat && ./run

Every name of a room is a room. A message goes to all who are in it, whichever worker has them.
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, request, send_from_directory
from flask_socketio import SocketIO, join_room, leave_room

from chatter.integrations.socketio import ChatterManager

MOST_CHARACTERS = 500
MOST_IN_A_NAME = 24

app = Flask(__name__)

# The workers find each other on the loopback interface, by the key in CHATTER_KEY. For workers on
# several hosts leave address, multicast and interface to the settings in README.md.
socketio = SocketIO(
    app,
    client_manager=ChatterManager(
        address="127.0.0.1:0",
        multicast=[os.environ.get("CHAT_GROUP", "239.255.41.7:29417")],
        interface="127.0.0.1",
    ),
    # Each request of HTTP polling may reach another worker, which knows nothing of the client.
    transports=["websocket"],
)

# Of this worker's clients: their name and room.
_guests: dict[str, tuple[str, str]] = {}


@app.get("/")
def page() -> Any:
    """The page."""
    return send_from_directory(app.root_path, "page.html")


def enter(name: Any, room: Any) -> dict[str, Any]:
    """Enter a room, and leave the one before; answers which worker it is."""
    name, room = _short(name, MOST_IN_A_NAME), _short(room, MOST_IN_A_NAME)
    if not name or not room:
        return {"error": "a name and a room, please"}
    leave()
    _guests[_sid()] = name, room
    join_room(room)
    _tell(room, "notice", f"{name} is here", name)
    return {"worker": os.getpid(), "name": name, "room": room}


def say(text: Any) -> dict[str, Any]:
    """Tell everybody in the room."""
    guest = _guests.get(_sid())
    text = _short(text, MOST_CHARACTERS)
    if guest is None or not text:
        return {"error": "enter a room first" if guest is None else "say something"}
    name, room = guest
    _tell(room, "message", text, name)
    return {}


def leave(*reason: Any) -> None:
    """Leave the room; so does who goes away."""
    guest = _guests.pop(_sid(), None)
    if guest is not None:
        name, room = guest
        leave_room(room)
        _tell(room, "notice", f"{name} has left", name)


for _event, _handler in (("enter", enter), ("say", say), ("disconnect", leave)):
    socketio.on_event(_event, _handler)


def _tell(room: str, event: str, text: str, name: str) -> None:
    socketio.emit(event, {"name": name, "text": text, "worker": os.getpid()}, to=room)


def _short(value: Any, most: int) -> str:
    return value.strip()[:most] if isinstance(value, str) else ""


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]
