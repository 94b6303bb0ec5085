"""The application of these tests, as a user would write it. Runs in processes of their own.

What each process has dispatched is kept in the folder RECORDS, a file for each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, current_app, jsonify, redirect, request
from flask.typing import ResponseReturnValue

from chatter import Message
from chatter.integrations.flask import FlaskChatter

chatter = FlaskChatter()


def _record(line: str) -> None:
    with open(Path(os.environ["RECORDS"]) / f"{os.getpid()}", "a") as file:
        file.write(f"{line}\n")


@chatter.on("count", ordered=True)
def count(body: Any, message: Message) -> None:
    assert current_app.name  # inside of a context
    _record(str(body))


def may_look() -> bool | ResponseReturnValue:
    """The application's own authorisation, for the dashboard."""
    if request.args.get("as") == "nobody":
        abort(401)
    if request.cookies.get("user") == "guest":
        return redirect("/login")
    return request.cookies.get("user") == "admin"


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    chatter.init_app(app)
    app.register_blueprint(
        chatter.dashboard_blueprint(authorize=may_look), url_prefix="/admin/chatter"
    )

    @app.get("/who")
    def who() -> Response:
        node = chatter.node
        return jsonify(pid=os.getpid(), address=str(node.local_netid), epoch=node.epoch)

    @app.post("/count/<int:number>")
    def tell(number: int) -> str:
        chatter.broadcast("count", number)
        return "told\n"

    return app
