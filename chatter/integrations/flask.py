"""Flask: a node for each application, in the processes that serve it.

::

    chatter = FlaskChatter()

    @chatter.on("purge")
    def purge(body, message):       # in every process that serves, inside an application context
        cache.delete(body["key"])

    def create_app():
        app = Flask(__name__)
        chatter.init_app(app)
        return app

Importing an application starts nothing. gunicorn's workers start it by the hooks of
`chatter.integrations.gunicorn`, ``flask run`` when it begins to serve, anybody else by `start`.
"""

from __future__ import annotations

import difflib
import functools
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click
from flask import Flask, current_app, has_app_context
from flask.cli import FlaskGroup
from flask.helpers import get_debug_flag
from gevent import get_hub, getcurrent, spawn_later
from werkzeug.serving import BaseWSGIServer, is_running_from_reloader

from chatter import (
    Chatter,
    ChatterError,
    Closed,
    Config,
    ConfigError,
    MessageHandler,
    MissingKey,
    NetID,
    Peer,
    PeerEvent,
    Receipt,
    generate_key,
)
from chatter.config import no_such_setting
from chatter.core.effects import Gap
from chatter.core.handlers import SerializerDB, codec_handler
from chatter.integrations import serving
from chatter.net import patching
from chatter.net.arguments import check_tag

if TYPE_CHECKING:
    from flask import Blueprint
    from flask.typing import ResponseReturnValue

EXTENSION = "chatter"
"""Where an application's node is: ``app.extensions["chatter"]``."""

PREFIX = "CHATTER_"

# Variables of the environment that are no fields, and what says the same in app.config.
_VARIABLES = {
    "CHATTER_PORT": "CHATTER_ADDRESS = 'IP:PORT'",
    "CHATTER_MULTICAST_ADDRESS": "CHATTER_MULTICAST = ['GROUP:PORT']",
    "CHATTER_MULTICAST_PORT": "CHATTER_MULTICAST = ['GROUP:PORT']",
}

_PATCH_FIRST = (
    "put `from gevent import monkey; monkey.patch_all()` first in the module that `flask run`"
    " loads, before all other imports"
)

Function = TypeVar("Function", bound=Callable[..., Any])
Result = TypeVar("Result")


class NoApplication(ChatterError, RuntimeError):
    """Nothing says which application's node is meant. Nothing was sent."""


class AppNode(Chatter):
    """The node of one application.

    It can be made without a key: who lists routes, migrates or builds needs no secret. It cannot be
    started without.

    Args:
        fields: Config's fields.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self._no_key: MissingKey | None = None
        self._ends: list[Callable[[], None]] = []
        try:
            config = Config(**fields)
        except MissingKey as error:
            # Config looks at the key last, so all else is good. Nobody ever hears of this key.
            self._no_key = error
            config = Config(**{**fields, "key": generate_key()})
        super().__init__(config)

    def start(self) -> AppNode:
        """As `Chatter.start`.

        Raises:
            MissingKey: there is none.
        """
        if self._no_key is not None:
            raise self._no_key
        return super().start()

    def at_stop(self, end: Callable[[], None]) -> None:
        """Have ``end`` called once, before the node stops. It must not raise or wait."""
        self._ends.append(end)

    def _closing(self) -> None:
        while self._ends:
            self._ends.pop()()
        super()._closing()


class FlaskChatter:
    """The extension: what is registered here, and the node of the current application.

    Args:
        app: for programs with one application; else `init_app` is called for each. None is kept.
        defaults: Config's fields, as keywords; ``app.config`` goes first.
    """

    def __init__(self, app: Flask | None = None, **defaults: Any) -> None:
        for name in defaults:
            if not _is_field(name):
                raise no_such_setting(name)
        self._defaults = defaults
        self._handlers = SerializerDB()
        self._on_peer: list[Callable[[PeerEvent], Any]] = []
        self._on_gap: list[Callable[[Gap], Any]] = []
        self._apps: weakref.WeakSet[Flask] = weakref.WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give an application its node, in ``app.extensions["chatter"]``. Starts nothing.

        Its settings are those of ``app.config`` that begin with ``CHATTER_``: Config's fields in
        capitals, as ``CHATTER_ADDRESS``; None is as if it were not there.

        Raises:
            ConfigError: a setting cannot work, or the application has a node already.
        """
        if EXTENSION in app.extensions:
            raise ConfigError(
                f"the application {app.name} has a node already: call init_app once for each"
            )
        node = AppNode({**self._defaults, **_settings(app)})
        for handler in self._handlers:
            node.handlers.add(_inside(app, handler))
        for on_peer in self._on_peer:
            node.on_peer(_in_context(app, on_peer))
        for on_gap in self._on_gap:
            node.on_gap(_in_context(app, on_gap))
        app.extensions[EXTENSION] = node
        self._apps.add(app)
        serving.enlist(node)
        if _is_flask_run():
            if _reloads() and not is_running_from_reloader():
                _let_the_server_leave(node.config.stop_timeout_s)
            else:
                _begin_with_the_server()

    # What applications register

    def on(
        self,
        tag: str,
        *,
        codec: str = "json",
        transforms: bool = False,
        compress: bool = True,
        ordered: bool = False,
    ) -> Callable[[Function], Function]:
        """Register the decorated ``function(body, message)`` for a tag, as `Chatter.on` does, in
        every application, whether it was initialised before or will be. One that takes a single
        argument gets the body.

        It runs in an application context of its own: ``current_app``, teardown functions, and
        extensions that look for either work.

        Raises:
            ConfigError: the tag has a handler already, or an argument cannot be used.
        """

        check_tag(tag)

        def register(function: Function) -> Function:
            handler = codec_handler(
                tag, codec, function, transforms=transforms, compress=compress, ordered=ordered
            )
            if any(known.tag == tag for known in self._handlers):
                raise ConfigError(
                    f"tag {tag!r} has a handler already: register at module level, outside of"
                    " create_app, or make a FlaskChatter for each application"
                )
            self._handlers.add(handler)
            for app in self._apps:
                self._node_of(app).handlers.add(_inside(app, handler))
            return function

        return register

    def on_peer(self, callback: Callable[[PeerEvent], Any]) -> Callable[[PeerEvent], Any]:
        """Call ``callback(PeerEvent)`` when a peer joins, fails, leaves or comes back, inside an
        application context, for each application that has a running node."""
        self._on_peer.append(callback)
        for app in self._apps:
            self._node_of(app).on_peer(_in_context(app, callback))
        return callback

    def on_gap(self, callback: Callable[[Gap], Any]) -> Callable[[Gap], Any]:
        """Call ``callback(Gap)`` for what will not be dispatched here, inside an application
        context."""
        self._on_gap.append(callback)
        for app in self._apps:
            self._node_of(app).on_gap(_in_context(app, callback))
        return callback

    # The node of the current application

    @property
    def node(self) -> AppNode:
        """The node of the current application.

        Raises:
            NoApplication: there is no application context, or `init_app` was not called.
        """
        if not has_app_context():
            raise NoApplication(
                "no application context, so nothing says whose node is meant: put it inside of"
                " `with app.app_context():`"
            )
        return self._node_of(current_app)

    def broadcast(
        self,
        tag: str,
        body: Any,
        to: Iterable[NetID] | None = None,
        *,
        confirm: bool = False,
        timeout: float | None = None,
        codec: str | None = None,
    ) -> Receipt:
        """Send a body to every live peer, or to some, by the current application's node.

        Takes and raises what `Chatter.broadcast` does.

        Raises:
            NoApplication: there is no application context.
            Closed: the node does not run in this process.
        """
        return self._ask(
            lambda node: node.broadcast(
                tag, body, to, confirm=confirm, timeout=timeout, codec=codec
            )
        )

    def peers(self) -> list[Peer]:
        """The live peers: those that a broadcast to everyone goes to. Raises as `broadcast`."""
        return self._ask(lambda node: node.peers())

    def wait_for_peers(self, n: int = 1, timeout: float | None = None) -> bool:
        """Wait until there are ``n`` live peers; whether there are. Raises as `broadcast`."""
        return self._ask(lambda node: node.wait_for_peers(n, timeout))

    def stats(self) -> dict[str, int]:
        """The counters of the node since its start, by name. Raises as `broadcast`."""
        return self._ask(lambda node: node.stats())

    @property
    def local_netid(self) -> NetID:
        """The address others reach the node at. Raises as `broadcast`."""
        return self._ask(lambda node: node.local_netid)

    def start(self, app: Flask | None = None) -> AppNode:
        """Start the node where nobody else does: in commands, tests, other servers.

        Args:
            app: whose; None: the current one.

        Returns:
            The node, to be used as a context manager that stops it. It also stops when the process
            ends.

        Raises:
            ConfigError: it cannot start; nothing was started.
        """
        return (self.node if app is None else self._node_of(app)).start()

    def stop(self, app: Flask | None = None) -> None:
        """Stop what `start` started."""
        (self.node if app is None else self._node_of(app)).stop()

    def dashboard_blueprint(
        self,
        *,
        authorize: Callable[[], ResponseReturnValue | bool | None],
        name: str = "chatter_dashboard",
    ) -> Blueprint:
        """The dashboard as a part of an application, for ``register_blueprint``.

        Args:
            authorize: asked before each answer, inside the request: True lets it through, a false
                value is answered 403, anything else is what the view of a page may return (as
                ``redirect(url_for("login"))``); it may also call ``abort``.
            name: the blueprint's.
        """
        from chatter.integrations.flask_dashboard import make_blueprint

        return make_blueprint(authorize, name)

    # Details

    def _ask(self, question: Callable[[AppNode], Result]) -> Result:
        node = self.node
        try:
            return question(node)
        except Closed:
            if node.running:
                raise
            raise Closed(NOT_RUNNING) from None

    def _node_of(self, app: Flask) -> AppNode:
        node = app.extensions.get(EXTENSION)
        if not isinstance(node, AppNode):
            raise NoApplication(
                f"the application {app.name} has no node: call init_app(app) where it is made"
            )
        return node


NOT_RUNNING = (
    "the node of this application does not run in this process: under gunicorn import the hooks"
    " of chatter.integrations.gunicorn in gunicorn.conf.py; in a command or a test call start(app)"
)
"""What to tell who needs it in a process that is no member of the cluster."""


def _settings(app: Flask) -> dict[str, Any]:
    """The fields that an application sets."""
    known = {PREFIX + name.upper(): name for name in _fields()}
    found = {}
    for name, value in app.config.items():
        if not name.startswith(PREFIX):
            continue
        if name in _VARIABLES:
            raise ConfigError(f"app.config: {name} is a variable; set {_VARIABLES[name]}")
        if name not in known:
            raise ConfigError(
                f"app.config: {name}: there is no such setting{_nearest(name, known)}"
            )
        if value is not None:
            found[known[name]] = value
    return found


def _fields() -> list[str]:
    return [name for name in Config.__dataclass_fields__ if _is_field(name)]


def _is_field(name: str) -> bool:
    field = Config.__dataclass_fields__.get(name)
    return field is not None and field.init


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _inside(app: Flask, handler: MessageHandler) -> MessageHandler:
    return replace(handler, dispatch=_in_context(app, handler.dispatch))


def _in_context(app: Flask, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        with app.app_context():
            return function(*args)

    return call


# flask run


def _is_flask_run() -> bool:
    """Whether this is ``flask run``, and no other command that loads the application."""
    context = click.get_current_context(silent=True)
    if context is None or context.command.name != "run" or context.parent is None:
        return False
    return isinstance(context.parent.command, FlaskGroup)


def _reloads() -> bool:
    """Whether it starts the process that serves anew when a file changes."""
    asked: bool | None = click.get_current_context().params.get("reload")
    return get_debug_flag() if asked is None else asked


def _let_the_server_leave(leave_s: float) -> None:
    """Have the reloader's parent wait for the server to leave: on Ctrl-C, which the server gets as
    well, and on SIGTERM, which is passed on.

    Otherwise it kills it at once (gevent's ``subprocess.call``; Python's own does after 0.25 s on
    Ctrl-C, and leaves it running on SIGTERM), and the others would take the node for failed.
    """
    if not patching.is_patched():
        return
    _on_ctrl_c(lambda: spawn_later(leave_s + 1.0, _end))
    call = subprocess.call
    if getattr(call, "_lets_leave", False):
        return  # by an application before this one

    @functools.wraps(call)
    def call_and_let_leave(*args: Any, **options: Any) -> int:
        if (options.get("env") or {}).get("WERKZEUG_RUN_MAIN") != "true":
            return call(*args, **options)
        with subprocess.Popen(*args, **options) as server:
            # Only now: the reloader set its own, which ends this process, just before.
            before = _on_sigterm(server, leave_s)
            try:
                return server.wait()
            except BaseException:
                server.kill()
                raise
            finally:
                signal.signal(signal.SIGTERM, before)

    call_and_let_leave._lets_leave = True  # type: ignore[attr-defined]
    subprocess.call = call_and_let_leave


def _on_sigterm(server: subprocess.Popen[bytes], leave_s: float) -> Any:
    """Pass on the first SIGTERM; the second is for who handled it before, which is returned."""
    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, before)
        server.terminate()
        spawn_later(leave_s + 1.0, _end)

    signal.signal(signal.SIGTERM, handle)
    return before


def _on_ctrl_c(act: Callable[[], object]) -> None:
    """Do this at the first Ctrl-C, where nobody else handles it; the second is Python's own again,
    and ends whatever runs."""

    def handle(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        act()

    # Called again for each application, it finds the handler of the first, and leaves it.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, handle)


def _end() -> None:
    """End the server or the reloader, whichever the main greenlet is."""
    # By the hub: what a greenlet raises gets there as well, but is printed first.
    hub = get_hub()
    hub.loop.run_callback(hub.parent.throw, KeyboardInterrupt)


def _begin_with_the_server() -> None:
    """Start what is enlisted when the server has its port and does not accept yet: by then the
    application is complete, and requests wait until the node runs."""
    if not patching.is_patched():
        _give_up(f"this process is not monkey-patched: {_PATCH_FIRST}")
    # Ctrl-C in the middle of a request would be that request's error, and the server would go on
    # until it is killed, without a farewell of its node.
    _on_ctrl_c(_end)
    serve = BaseWSGIServer.serve_forever
    if getattr(serve, "_begins", False):
        return  # by an application before this one

    @functools.wraps(serve)
    def serve_forever(*args: Any, **options: Any) -> None:
        _begin()
        serve(*args, **options)

    serve_forever._begins = True  # type: ignore[attr-defined]
    BaseWSGIServer.serve_forever = serve_forever  # type: ignore[method-assign]


def _begin() -> None:
    too_late = patching.why_too_late(_PATCH_FIRST)
    if too_late is not None:
        _give_up(too_late)
    try:
        serving.begin()
    except ChatterError as error:
        _give_up(str(error))


def _give_up(reason: str) -> None:
    # Not an exception of ours: where `flask run` reloads, it would serve that to browsers, without
    # a node.
    click.echo(f"Error: chatter: {reason}", err=True)
    hub = get_hub()
    if getcurrent() is not hub.parent:
        # The reloader has the server run in a thread, and this would end no more than that.
        hub.loop.run_callback(hub.parent.throw, SystemExit, 1)
    sys.exit(1)
