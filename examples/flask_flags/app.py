"""Feature flags that are pushed: set in one worker, they hold in all, with no database between.

curl -X PUT localhost:8000/flags/new-basket -d on
curl localhost:8000/
"""

import os
import time
from typing import Any

from flask import Flask, Response, abort, jsonify, request

from chatter import Message, PeerEvent
from chatter.integrations.flask import FlaskChatter

chatter = FlaskChatter(address="127.0.0.1:0", interface="127.0.0.1")

# Each with the moment in which it was set, so that the later of two wins everywhere.
flags: dict[str, tuple[bool, int]] = {}


def learn(name: str, value: bool, set_at: int) -> None:
    if name not in flags or set_at > flags[name][1]:
        flags[name] = value, set_at


@chatter.on("flags")
def flags_came(body: dict[str, Any], message: Message) -> None:
    for name, (value, set_at) in body.items():
        learn(name, value, set_at)


@chatter.on_peer
def peer_came(event: PeerEvent) -> None:
    # A worker that has just started knows none. Who is there tells it; told twice, it learns once.
    if event.state == "alive" and flags:
        chatter.broadcast("flags", flags, to=[event.address])


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()  # FLASK_CHATTER_ADDRESS and the like
    chatter.init_app(app)

    @app.get("/")
    def basket() -> Response:
        kind = "new" if flags.get("new-basket", (False, 0))[0] else "old"
        return jsonify(basket=kind, worker=os.getpid())

    @app.put("/flags/<name>")
    def put_flag(name: str) -> Response:
        value = {"on": True, "off": False}.get(request.get_data(as_text=True))
        if value is None:
            abort(400, "say on or off")
        learn(name, value, time.time_ns())
        receipt = chatter.broadcast("flags", {name: flags[name]}, confirm=True)
        receipt.wait()
        return jsonify(workers=1 + len(receipt.delivered), missing=len(receipt.missing))

    return app


app = create_app()
