"""The extension in one process: settings, contexts, several applications, and who starts what."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from flask import Flask, current_app, g

from chatter import (
    Chatter,
    ChatterError,
    Closed,
    ConfigError,
    HandlerError,
    Message,
    MissingKey,
    PeerEvent,
    generate_key,
)
from chatter.integrations import serving
from chatter.integrations.flask import EXTENSION, FlaskChatter, NoApplication
from tests.net.nodes import random_group, wait_until

KEY = generate_key()


@pytest.fixture(autouse=True)
def _nobody_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_enlisted", [])
    monkeypatch.setattr(serving, "_serving_pid", 0)


def settings(**more: Any) -> dict[str, Any]:
    return {
        "address": "127.0.0.1:0",
        "interface": "127.0.0.1",
        "multicast": [],
        "key": KEY,
        "beacon_interval_s": 0.1,
        "failure_timeout_s": 2.0,
        **more,
    }


@pytest.fixture
def outside() -> Iterator[Chatter]:
    with Chatter(**settings()) as node:
        yield node


def joined(outside: Chatter, name: str = "shop", **more: Any) -> tuple[Flask, FlaskChatter]:
    """An application whose node meets that one when it starts."""
    app = Flask(name)
    extension = FlaskChatter(**settings(join=[str(outside.local_netid)], **more))
    extension.init_app(app)
    return app, extension


# Settings


def test_the_applications_settings_go_before_the_defaults() -> None:
    app = Flask("shop")
    app.config.update(CHATTER_KEY=KEY, CHATTER_ADDRESS="127.0.0.1:4000", CHATTER_MULTICAST=[])
    app.config.update(CHATTER_LABEL=None)
    FlaskChatter(app, address="127.0.0.1:5000", label="staging", store_age_s=60.0)
    config = app.extensions[EXTENSION].config
    assert (config.address, config.multicast) == ("127.0.0.1:4000", ())
    assert (config.label, config.store_age_s) == ("staging", 60.0)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CHATTER_ADRESS", "there is no such setting; did you mean CHATTER_ADDRESS?"),
        ("CHATTER_SECRETS", "there is no such setting"),
        ("CHATTER_PORT", "CHATTER_PORT is a variable; set CHATTER_ADDRESS = 'IP:PORT'"),
    ],
)
def test_a_setting_that_is_none_is_refused_by_name(name: str, said: str) -> None:
    app = Flask("shop")
    app.config.update({"CHATTER_KEY": KEY, name: "1"})
    with pytest.raises(ConfigError, match=f"{name}") as raised:
        FlaskChatter(app)
    assert said in str(raised.value)
    assert EXTENSION not in app.extensions


def test_a_default_that_is_no_field_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="adress: there is no such setting; did you mean address"):
        FlaskChatter(adress="127.0.0.1:0")


def test_a_value_that_cannot_work_is_told_when_the_application_is_made() -> None:
    app = Flask("shop")
    app.config.update(CHATTER_ADDRESS="somewhere")
    with pytest.raises(ConfigError, match="address"):
        FlaskChatter(app)


def test_without_a_key_an_application_can_be_looked_at_and_not_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHATTER_KEY", raising=False)
    app = Flask("shop")
    extension = FlaskChatter(app, address="127.0.0.1:0", multicast=[])
    assert app.test_client().get("/").status_code == 404
    with pytest.raises(MissingKey, match="chatter keygen"):
        extension.start(app)
    with pytest.raises(MissingKey, match="chatter keygen"):
        serving.begin()
    assert not serving.is_serving()
    assert not app.extensions[EXTENSION].running


def test_one_application_has_one_node() -> None:
    app = Flask("shop")
    extension = FlaskChatter(app, **settings())
    with pytest.raises(ConfigError, match="shop has a node already"):
        extension.init_app(app)
    with pytest.raises(ConfigError, match="shop has a node already"):
        FlaskChatter(app, **settings())


# Handlers


def test_handlers_run_inside_the_context_of_their_application(outside: Chatter) -> None:
    app, extension = joined(outside)
    told: list[Any] = []

    @extension.on("purge")  # after init_app
    def purge(body: Any, message: Message) -> None:
        told.append((current_app.name, body, message.tag, hasattr(g, "seen")))
        g.seen = True

    @app.teardown_appcontext
    def teardown(error: BaseException | None) -> None:
        told.append(("teardown", error))

    with extension.start(app):
        outside.wait_for_peers(1, timeout=15)
        outside.broadcast("purge", 1)
        outside.broadcast("purge", 2)
        wait_until(lambda: len(told) == 4)
    # A context for each: nothing of the first is there in the second.
    assert told == [
        *(("shop", 1, "purge", False), ("teardown", None)),
        *(("shop", 2, "purge", False), ("teardown", None)),
    ]


def test_a_handler_is_there_for_applications_before_and_after_it(outside: Chatter) -> None:
    extension = FlaskChatter(**settings(join=[str(outside.local_netid)]))
    first, second = Flask("first"), Flask("second")
    extension.init_app(first)
    names: list[str] = []

    @extension.on("purge", codec="bytes", ordered=True)
    def purge(body: bytes, message: Message) -> None:
        names.append(current_app.name)

    extension.init_app(second)
    with extension.start(first), extension.start(second):
        outside.wait_for_peers(2, timeout=15)
        outside.broadcast("purge", b"all", codec="bytes")
        wait_until(lambda: sorted(names) == ["first", "second"])
        assert first.extensions[EXTENSION].handlers.get("purge").ordered


def test_what_a_transforming_handler_returns_travels_on(outside: Chatter) -> None:
    app, extension = joined(outside)

    @extension.on("sum", transforms=True)
    def add(body: int, message: Message) -> int:
        return body + 1

    assert app.extensions[EXTENSION].handlers.get("sum").dispatch(1, None) == 2


def test_a_tag_has_one_handler() -> None:
    extension = FlaskChatter()
    extension.on("purge")(print)
    with pytest.raises(ConfigError, match="'purge' has a handler already"):
        extension.on("purge")(print)


def test_a_factory_that_registers_is_told_where_to_do_so() -> None:
    """Its second call would register for the applications of the first as well."""
    extension = FlaskChatter(**settings())

    def create_app() -> Flask:
        app = Flask("shop")
        extension.init_app(app)
        extension.on("purge")(lambda body, message: None)
        return app

    create_app()
    with pytest.raises(ConfigError, match="at module level, outside of create_app, or make a Flas"):
        create_app()


def test_callbacks_run_inside_a_context(outside: Chatter) -> None:
    extension = FlaskChatter(**settings(join=[str(outside.local_netid)]))
    told: list[tuple[str, str]] = []

    @extension.on_peer
    def early(event: PeerEvent) -> None:
        told.append((f"early {current_app.name}", event.state))

    app = Flask("shop")
    extension.init_app(app)

    @extension.on_peer
    def late(event: PeerEvent) -> None:
        told.append((f"late {current_app.name}", event.state))

    with extension.start(app):
        wait_until(lambda: len(told) == 2)
    assert told == [("early shop", "alive"), ("late shop", "alive")]


def test_gaps_are_told_inside_a_context() -> None:
    extension = FlaskChatter(**settings())
    told: list[str] = []
    extension.on_gap(lambda gap: told.append(f"early {current_app.name}"))
    app = Flask("shop")
    extension.init_app(app)
    extension.on_gap(lambda gap: told.append(f"late {current_app.name}"))
    for callback in app.extensions[EXTENSION]._gap_callbacks:
        callback(None)
    assert told == ["early shop", "late shop"]


# Views


def test_a_view_broadcasts_by_the_node_of_its_application(outside: Chatter) -> None:
    app, extension = joined(outside)
    heard: list[Any] = []
    outside.on("*")(lambda body, message: heard.append((body, message.origin)))

    @app.post("/purge")
    def purge() -> dict[str, Any]:
        receipt = extension.broadcast("purge", "all", confirm=True, timeout=10)
        receipt.wait()
        return {
            "delivered": [str(netid) for netid in receipt.delivered],
            "peers": [str(peer.address) for peer in extension.peers()],
            "broadcasts": extension.stats()["broadcasts"],
            "me": str(extension.local_netid),
        }

    with extension.start(app) as node:
        with app.app_context():
            assert extension.wait_for_peers(1, timeout=15)
        answer = app.test_client().post("/purge").json
        assert heard == [("all", node.local_netid)]
    there = [str(outside.local_netid)]
    assert answer == {
        "delivered": there,
        "peers": there,
        "broadcasts": 1,
        "me": str(heard[0][1]),
    }


def test_outside_of_a_context_it_says_what_to_add(outside: Chatter) -> None:
    app, extension = joined(outside)
    with extension.start(app):
        for question in (
            lambda: extension.broadcast("purge", 1),
            extension.peers,
            extension.start,
            lambda: extension.node,
        ):
            with pytest.raises(NoApplication, match=r"`with app.app_context\(\):`") as raised:
                question()
            # Both who catches ours and who catches Flask's finds it.
            assert isinstance(raised.value, ChatterError)
            assert isinstance(raised.value, RuntimeError)


def test_an_application_without_a_node_is_named() -> None:
    extension = FlaskChatter()
    other = Flask("other")
    with (
        other.app_context(),
        pytest.raises(NoApplication, match=r"other has no node: call init_ap"),
    ):
        extension.broadcast("purge", 1)
    with pytest.raises(NoApplication, match="other has no node"):
        extension.start(other)


def test_where_the_node_does_not_run_it_says_who_starts_it(outside: Chatter) -> None:
    app, extension = joined(outside)
    with app.app_context():
        with pytest.raises(Closed, match=r"gunicorn\.conf\.py; in a command or a test call start"):
            extension.broadcast("purge", 1)
        with pytest.raises(Closed, match="does not run in this process"):
            extension.peers()


def test_other_errors_stay_as_they_are(outside: Chatter) -> None:
    app, extension = joined(outside)
    with extension.start(app), app.app_context(), pytest.raises(HandlerError):
        extension.broadcast("purge", object())


# Life


def test_importing_starts_nothing_and_who_serves_starts_all() -> None:
    group = [random_group()]
    extension = FlaskChatter(**settings(multicast=group))
    apps = [Flask("first"), Flask("second")]
    for app in apps:
        extension.init_app(app)
    nodes = [app.extensions[EXTENSION] for app in apps]
    gevent.sleep(0)
    assert [node.running for node in nodes] == [False, False]
    serving.begin()
    try:
        assert all(node.wait_for_peers(1, timeout=15) for node in nodes)
    finally:
        serving.end()
    assert [node.running for node in nodes] == [False, False]


def test_start_and_stop_by_hand(outside: Chatter) -> None:
    app, extension = joined(outside)
    node = extension.start(app)
    assert node is app.extensions[EXTENSION]
    assert extension.start(app) is node
    extension.stop(app)
    assert not node.running
    with app.app_context():
        first = extension.start().epoch
        extension.stop()
        assert extension.start().epoch != first  # another life
        extension.stop()


def test_an_application_that_was_thrown_away_is_gone() -> None:
    """Neither the extension nor what serves keeps it: each test may make one."""
    extension = FlaskChatter(**settings())
    extension.on("purge")(print)
    app = Flask("shop")
    extension.init_app(app)
    app.register_blueprint(extension.dashboard_blueprint(authorize=lambda: True))
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None
    serving.begin()
    serving.end()
