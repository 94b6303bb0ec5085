"""What docs/flask.md says to write, written and run by the commands that it gives."""

from __future__ import annotations

import json
import re
import signal
from base64 import b64encode
from urllib.error import HTTPError

import pytest

from tests.integrations.servers import ROOT, Server, Site

DOC = (ROOT / "docs" / "flask.md").read_text()


def block(name: str) -> str:
    """The code below `name`:."""
    found = re.search(rf"^`{re.escape(name)}`:\n\n```python\n(.*?)^```", DOC, re.M | re.S)
    assert found is not None, name
    return found[1]


def serve(site: Site, command: str) -> Server:
    """By a command of the document, at a port of this test."""
    assert f"$ {command} " in DOC
    site.write("app.py", block("app.py"))
    site.write("gunicorn.conf.py", block("gunicorn.conf.py"))
    at = {
        "gunicorn": ["-b", f"127.0.0.1:{site.port}", "--no-control-socket"],
        "flask": ["--port", str(site.port)],
    }
    program, *arguments = command.split()
    return site.start(program, *arguments, *at[program])


def login(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'admin:{password}'.encode()).decode()}"}


def test_without_a_password_nobody_may_look(site: Site) -> None:
    server = serve(site, "gunicorn app:app")
    server.until(lambda: answers(server), "the server")
    for headers in ({}, login(""), login("None")):
        with pytest.raises(HTTPError, match="401"):
            server.ask("/admin/chatter/", **headers)


def answers(server: Server) -> bool:
    try:
        return server.ask("/") == "{}\n"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("command", "count"), [("gunicorn app:app", 4), ("flask --app app run --debug", 1)]
)
def test_the_document_does_what_it_says(site: Site, command: str, count: int) -> None:
    outside = site.outside()
    site.environment["FLASK_DASHBOARD_PASSWORD"] = json.dumps("open sesame")
    server = serve(site, command)
    server.until(lambda: len(outside.chatter.peers()) == count, "the nodes")

    def shown() -> bool:
        try:
            return "<title>" in server.ask("/admin/chatter/", **login("open sesame"))
        except OSError:
            return False

    server.until(shown, "the dashboard")
    for headers in ({}, login("open barley"), {"Authorization": "Bearer open sesame"}):
        with pytest.raises(HTTPError, match="401"):
            server.ask("/admin/chatter/", **headers)
    assert json.loads(server.ask("/price/tea/250", method="PUT")) == {"tea": 250}
    server.until(lambda: outside.bodies == [{"item": "tea", "cents": 250}], "the broadcast")
    outside.chatter.broadcast("price", {"item": "milk", "cents": 90})
    server.until(
        lambda: all(json.loads(server.ask("/")).get("milk") == 90 for _ in range(10)), "the price"
    )
    if command.startswith("gunicorn"):
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    else:
        server.ctrl_c()
        assert server.ended() == 0
    server.until(lambda: [s for _, s in outside.events].count("left") == count, "farewells")


def test_the_example_of_the_readme(site: Site) -> None:
    readme = (ROOT / "README.md").read_text()
    for name in ("app.py", "gunicorn.conf.py"):
        found = re.search(rf"^```python\n(# {re.escape(name)}\n.*?)^```", readme, re.M | re.S)
        assert found is not None, name
        site.write(name, found[1])
    group, port = site.group.split(":")
    site.environment |= {
        "CHATTER_ADDRESS": "127.0.0.1",
        "CHATTER_MULTICAST_ADDRESS": group,
        "CHATTER_MULTICAST_PORT": port,
    }
    assert "$ gunicorn app:app " in readme
    outside = site.outside()
    server = site.start(
        "gunicorn", "app:app", "-b", f"127.0.0.1:{site.port}", "--no-control-socket"
    )
    server.until(lambda: len(outside.chatter.peers()) == 4, "the nodes")
    assert json.loads(server.ask("/price/tea/250", method="PUT")) == {"tea": 250}
    server.until(lambda: outside.bodies == [{"item": "tea", "cents": 250}], "the broadcast")
    server.signal(signal.SIGTERM)
    assert server.ended() == 0
