"""One run of a node: its sockets, its greenlets, its clock, and the core they serve.

Made by ``start`` and thrown away by ``stop``. Every call of the core is followed by ``carry_out``,
which does what the core asks, in order, and never waits.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import random
import socket
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from gevent import Greenlet, getcurrent, sleep
from gevent.event import Event
from gevent.hub import get_hub
from gevent.pool import Group

from chatter.config import Config, bind_address
from chatter.core.channels import ChannelSpec
from chatter.core.effects import (
    BroadcastPassed,
    BroadcastSettled,
    Connect,
    Deliver,
    Disconnect,
    Effect,
    FlushSoon,
    Gap,
    MulticastReady,
    NodeFigures,
    PeerEvent,
    SessionReady,
    Settled,
    Trouble,
    UdpReady,
    Watching,
)
from chatter.core.handlers import SerializerDB
from chatter.core.node import Node
from chatter.core.session import Session
from chatter.core.straight import Straight
from chatter.errors import ConfigError
from chatter.ids import BroadcastID, NetID, split_address
from chatter.net.advice import run_advice
from chatter.net.dispatch import Dispatch
from chatter.net.interfaces import Interface, default_address, interface_of
from chatter.net.listener import run_listener
from chatter.net.multicast import MulticastPort
from chatter.net.options import WANTED_BUFFER_BYTES, kernel_drops
from chatter.net.peer import run_peer
from chatter.net.receipt import Receipt
from chatter.net.seeds import run_seeds
from chatter.net.shell import Carrier, Result
from chatter.net.sockets import (
    Endpoint,
    MulticastPair,
    MulticastUnavailable,
    open_endpoint,
    open_multicast,
    preferred_endpoint,
)
from chatter.net.threads import HubCalls
from chatter.net.unicast import UnicastPort

# The longest the timer sleeps when the core has nothing planned.
IDLE_S = 1.0

# While stopping: how often to look whether all is sent.
FLUSH_STEP_S = 0.005


class Runtime:
    """The shell around one core.

    Args:
        tell: called with each PeerEvent, Gap and what those who watch are told, from a greenlet
            that must not wait.
        package: the version of the package.
    """

    def __init__(
        self,
        config: Config,
        handlers: SerializerDB,
        tell: Callable[[PeerEvent | Gap | Watching], None],
        logger: logging.Logger,
        package: str,
    ) -> None:
        self.config = config
        self.handlers = handlers
        self.logger = logger
        self.running = False
        self.connections: dict[Session, Carrier] = {}
        self.room = Event()
        """Set whenever there may be more: a group's queue was emptied, a frame went out on some
        connection, or the node stops."""
        self.handlers_keep_up = Event()
        """Set unless some handler's queue is full, and not for so long that it pays for that."""
        self.handlers_keep_up.set()
        self.receipts: weakref.WeakValueDictionary[BroadcastID, Receipt] = (
            weakref.WeakValueDictionary()
        )
        """Those that are not settled yet and that somebody still holds."""
        self.pid = os.getpid()
        self._tell = tell
        self._package = package
        self._greenlets = Group()
        self._ports: list[MulticastPort] = []
        self._effects: deque[Effect] = deque()
        """What the core asked for and is not carried out yet."""
        self._speaking: dict[MulticastPort, None] = {}
        self._alarm = Event()
        self._alarm_at = 0.0
        self._warned_clash_at = float("-inf")
        self._stopped = Event()
        self.node: Node
        self.calls: HubCalls
        self._loop: Any
        self._dispatch: Dispatch
        self._endpoint: Endpoint
        self._unicast: UnicastPort

    # Start and stop

    def start(self) -> None:
        """Open the sockets and begin.

        Raises:
            ConfigError: a socket could not be opened; nothing is left open.
        """
        self._endpoint = self._open_endpoint()
        opened: list[tuple[NetID, Interface, MulticastPair]] = []
        try:
            local = self._local_netid()
            opened = self._open_channels(local)
            self._make_node(local, opened)
        except BaseException:
            self._endpoint.close()
            for _, _, pair in opened:
                pair.close()
            raise
        self.running = True
        self.calls = HubCalls()
        self._loop = get_hub().loop
        self._dispatch = Dispatch(self, self.handlers, self._greenlets.start, self._tell)
        self._unicast = UnicastPort(self, self._endpoint.udp)
        self._ports = [
            MulticastPort(self, index, group, interface, pair)
            for index, (group, interface, pair) in enumerate(opened)
        ]
        self.node.start(time.monotonic())
        self.spawn(run_listener, self, self._endpoint.tcp)
        ports: list[UnicastPort | MulticastPort] = [self._unicast, *self._ports]
        for port in ports:
            self.spawn(port.receive)
            self.spawn(port.send)
        self.spawn(self._keep_time)
        self.spawn(self._dispatch.watch)
        self.spawn(run_advice, self)
        if self.config.join:
            self.spawn(run_seeds, self)

    def stop(self, timeout_s: float) -> None:
        """Send what is queued, tell the others, and end; after ``timeout_s`` end anyway."""
        deadline = time.monotonic() + timeout_s
        try:
            self._flush(deadline)
        finally:
            # Also when a Timeout or an interrupt ends the waiting: nothing may stay behind.
            self._end(deadline)
            self._stopped.set()

    def wait_stopped(self) -> None:
        """Wait until the ``stop`` that somebody else called is through.

        A greenlet of this node does not wait: it is ended by that very stop.
        """
        if getcurrent() not in self._greenlets:
            self._stopped.wait()

    def _flush_gathered(self) -> None:
        if self.running:
            self.core(self.node.flush, time.monotonic())

    def _flush(self, deadline: float) -> None:
        # First what is queued: a farewell by multicast would overtake what goes by TCP. Half of the
        # time is kept for the farewell, as a relay may never be without something to send.
        self._flush_gathered()
        now = time.monotonic()
        for until, last_word in ((now + (deadline - now) / 2, False), (deadline, True)):
            if last_word:
                self.node.leave(time.monotonic())
                self.carry_out()
            while self._busy() and time.monotonic() < until:
                sleep(FLUSH_STEP_S)
        # The other side ends a connection when it has read all; a close of ours before that could
        # throw away what its system holds.
        for session, connection in list(self.connections.items()):
            if session.proven:
                connection.end()
            else:
                connection.socket.close()  # a stranger may never end it
        while self.connections and time.monotonic() < deadline:
            sleep(FLUSH_STEP_S)

    def _end(self, deadline: float) -> None:
        self.running = False
        self._give_up_receipts()
        self.calls.close()
        self._dispatch.end()
        current = getcurrent()
        others = [greenlet for greenlet in self._greenlets if greenlet is not current]
        for greenlet in others:
            greenlet.kill(block=False)
        self._close_sockets()
        for greenlet in others:
            greenlet.join(timeout=max(0.1, deadline - time.monotonic()))

    def abandon(self) -> None:
        """In a forked child: let go of everything without a switch and without a word."""
        self.running = False
        for sock in self._sockets():
            if sock.fileno() >= 0:
                os.close(sock.detach())
        self._give_up_receipts()
        self._dispatch.end()
        current = getcurrent()
        for greenlet in list(self._greenlets):
            if greenlet is not current:  # a handler that forked goes on, as the child
                greenlet.kill(block=False)
        self.connections.clear()

    # What greenlets use

    def spawn(self, function: Callable[..., Any], *args: Any) -> Greenlet[..., Any]:
        """A greenlet that ends with the node."""
        greenlet: Greenlet[..., Any] = Greenlet(self._guarded, function, args)
        self._greenlets.start(greenlet)
        return greenlet

    def core(self, function: Callable[..., Result], *args: Any) -> Result | None:
        """What a call of the core returns, once what it asks for is carried out.

        The core raises only by a bug of ours. That must cost one frame and be seen, not end the
        greenlet that serves a socket: then it is logged and counted, and None comes back. So it
        does in a forked child, where a greenlet may wake up once more: nothing is sealed there.
        """
        if not self.running:
            return None
        try:
            result = function(*args)
        except Exception:
            self.report_bug()
            result = None
        self.carry_out()
        return result

    def in_handler(self) -> bool:
        """Whether the current greenlet runs a handler, which must not wait for room."""
        return self._dispatch.runs()

    def deliver(self, delivery: Deliver) -> None:
        """Queue messages for their handler, behind what is still to be carried out. Never waits."""
        self._effects.append(delivery)

    def deliver_at_once(self, delivery: Deliver) -> bool:
        """Have a message dispatched, if its handler is idle. Only the hub may call it."""
        # A log handler that waits may have left some of the same origin to be carried out.
        return not self._effects and self._dispatch.deliver_at_once(delivery)

    def send_straight(self, straight: Straight) -> None:
        """Send a broadcast that is sealed already, and see to what the core wants then."""
        self._ports[straight.channel].send_frame(straight.frame)
        self.settle()

    def settle(self) -> None:
        """Have the core do what it has put off; before its figures are looked at."""
        self.core(self.node.settle, time.monotonic())

    def stats(self) -> dict[str, int]:
        """The counters, and how much waits."""
        self.settle()
        return {**self.node.counts, **self.node.gauges()}

    def gauges(self) -> dict[str, int]:
        """How much waits here, and what the system counts for us. Never switches greenlets."""
        return {
            "handler_queue": self._dispatch.queued,
            "connections": len(self.connections),
            "receive_buffer_bytes": self.node.buffer,
            "kernel_drops": sum(kernel_drops(sock) for sock in self._udp_receivers()),
        }

    def carry_out(self) -> None:
        """Do what the core asked for since the last call. Never waits.

        Whatever one of these calls, an observer or a log handler, may fail: that is logged, and the
        others are carried out. What ends the caller in between is left to the next call.
        """
        node, waiting, speaking = self.node, self._effects, self._speaking
        waiting += node.take_effects()
        while waiting or speaking:
            while waiting:
                effect = waiting.popleft()
                try:
                    if isinstance(effect, Deliver):
                        self._dispatch.deliver(effect)
                    elif isinstance(effect, MulticastReady):
                        speaking[self._ports[effect.channel]] = None
                    else:
                        self._carry_out_rare(effect)
                except Exception:
                    self.report_bug()
            while speaking:  # after the others, as more may have come together by then
                port = next(iter(speaking))
                del speaking[port]
                try:
                    port.send_now()
                except Exception:
                    self.report_bug()
            waiting += node.take_effects()
        self.note_due()

    def note_due(self) -> None:
        """Have the node's time kept, if it wants to be called earlier than before."""
        if self.node.due < self._alarm_at:
            self._alarm.set()

    def _carry_out_rare(self, effect: Effect) -> None:
        if isinstance(effect, FlushSoon):
            # Once whoever broadcasts lets go of the hub, in line with the greenlets that are due.
            self._loop.run_callback(self._flush_gathered)
        elif isinstance(effect, SessionReady):
            connection = self.connections.get(effect.session)
            if connection is not None:
                connection.wake()
        elif isinstance(effect, UdpReady):
            self._unicast.wake()
        elif isinstance(effect, Connect):
            self.spawn(run_peer, self, effect.netid)
        elif isinstance(effect, Disconnect):
            connection = self.connections.get(effect.session)
            if connection is not None:
                connection.end()
        elif isinstance(effect, (PeerEvent, Gap, NodeFigures, BroadcastPassed, BroadcastSettled)):
            self._tell(effect)
        elif isinstance(effect, Settled):
            receipt = self.receipts.pop(effect.id, None)
            if receipt is not None:
                receipt.settle(effect.outcome)
        elif isinstance(effect, Trouble):
            self._report(effect)

    # Details

    def _guarded(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception:
            if self.running:
                self.report_bug()

    def report_bug(self) -> None:
        """Count and log the exception that is being handled; whatever the log does, none follows.

        In the hub nothing may wait, which a log handler may have to, so a greenlet logs.
        """
        self.node.counts["internal_errors"] += 1
        error = sys.exc_info()
        if getcurrent() is get_hub():
            self._greenlets.start(Greenlet(self._log_bug, error))
        else:
            self._log_bug(error)

    def _log_bug(self, error: Any) -> None:
        with contextlib.suppress(Exception):
            self.logger.error(
                "a bug in chatter; please report it. The node goes on", exc_info=error
            )

    def _give_up_receipts(self) -> None:
        for receipt in list(self.receipts.values()):
            receipt.give_up()
        self.receipts.clear()

    def _keep_time(self) -> None:
        while True:
            now = time.monotonic()
            # Often it is woken only to be told an earlier time, in the middle of a delivery.
            if self.node.due <= now:
                self.core(self.node.tick, now)
                self.node.next_wakeup()
            self._alarm.clear()
            self._alarm_at = min(self.node.due, now + IDLE_S)
            self._alarm.wait(max(0.0, self._alarm_at - time.monotonic()))

    def _report(self, trouble: Trouble) -> None:
        # At most one a minute: two nodes that share an address meet all the time.
        now = time.monotonic()
        if now - self._warned_clash_at > 60:
            self._warned_clash_at = now
            self.logger.warning("%s", trouble.message)

    def _busy(self) -> bool:
        return (
            self.node.pending(time.monotonic())
            or any(one.busy for one in self.connections.values())
            or any(port.busy for port in self._ports)
        )

    def _open_endpoint(self) -> Endpoint:
        text = self.config.address
        ip, port = (default_address(), None) if text is None else bind_address(text)
        if port is not None:
            return open_endpoint(ip, port)
        endpoint = preferred_endpoint(ip, self.config.default_port)
        if endpoint.port != self.config.default_port:
            self.logger.info("port %d is taken; using %d", self.config.default_port, endpoint.port)
        return endpoint

    def _local_netid(self) -> NetID:
        if self.config.advertise is not None:
            ip, port = split_address(self.config.advertise)
            return NetID(ip, port or self._endpoint.port)
        bound: str = self._endpoint.tcp.getsockname()[0]
        return NetID(bound, self._endpoint.port)

    def _open_channels(self, local: NetID) -> list[tuple[NetID, Interface, MulticastPair]]:
        """Each group on its interface and on loopback, as far as the system lets us."""
        if not self.config.groups:
            return []
        opened: list[tuple[NetID, Interface, MulticastPair]] = []
        try:
            for group in self.config.groups:
                for interface in self._interfaces(group):
                    try:
                        pair = open_multicast(
                            group.ip, group.port, interface, self.config.multicast_ttl
                        )
                    except MulticastUnavailable as error:
                        self._warn_of_group(error, interface)
                    else:
                        opened.append((group, interface, pair))
                        self._report_buffer(group, interface, pair.granted_receive_bytes)
        except BaseException:
            for _, _, pair in opened:
                pair.close()
            raise
        return opened

    def _interfaces(self, group: NetID) -> list[Interface]:
        """The interface to use for a group, and loopback, where the workers of a host meet."""
        loopback_ip = "::1" if ":" in group.ip else "127.0.0.1"
        ip = self.config.interface
        if ip is None:
            bound = self._endpoint.tcp.getsockname()[0]
            ip = default_address() if ipaddress.ip_address(bound).is_unspecified else bound
            if (":" in ip) != (":" in group.ip) and ":" not in group.ip:
                ip = (
                    default_address()
                )  # an IPv6 node on an IPv4 group: addresses do not mix, groups do
        if (":" in ip) != (":" in group.ip):
            raise ConfigError(
                f"multicast: {group.ip} and the interface {ip} are of different IP versions; set"
                " interface to an address of the group's version"
            )
        chosen = interface_of(ip)
        if chosen.loopback:
            return [chosen]
        try:
            return [chosen, interface_of(loopback_ip)]
        except ConfigError:
            return [chosen]  # no loopback address of this version: a container may lack it

    def _report_buffer(self, group: NetID, interface: Interface, granted: int) -> None:
        more = (
            f"; {WANTED_BUFFER_BYTES} were asked for, and a larger net.core.rmem_max would let"
            " bursts of other nodes go on for longer before they wait for this one"
        )
        self.logger.info(
            "= hears %s on %s, with %d bytes of receive buffer%s",
            group,
            interface.name,
            granted,
            more if granted < WANTED_BUFFER_BYTES else "",
        )

    def _warn_of_group(self, error: MulticastUnavailable, interface: Interface) -> None:
        if interface.loopback and self.config.interface is None:
            # Only a help for the workers of one host; they still meet by join.
            self.logger.info("%s", error)
        else:
            self.logger.warning("%s. Going on over TCP", error)

    def _make_node(
        self, local: NetID, opened: list[tuple[NetID, Interface, MulticastPair]]
    ) -> None:
        secure = random.SystemRandom()
        self.node = Node(
            self.config,
            local,
            self.handlers,
            unix_ms=time.time_ns() // 1_000_000,
            random_bytes=os.urandom,
            rng=random.Random(secure.getrandbits(64)),
            channels=[
                ChannelSpec(group, interface.loopback, pair.max_datagram_bytes)
                for group, interface, pair in opened
            ],
            buffer=min((pair.granted_receive_bytes for _, _, pair in opened), default=0),
            gauges=self.gauges,
            queued=lambda: self._dispatch.queued,
            package=self._package,
        )

    def _sockets(self) -> list[socket.socket]:
        mine = [self._endpoint.tcp, self._endpoint.udp]
        for port in self._ports:
            mine += port.sockets
        return mine + [connection.socket for connection in self.connections.values()]

    def _udp_receivers(self) -> list[socket.socket]:
        return [self._endpoint.udp, *(port.sockets[0] for port in self._ports)]

    def _close_sockets(self) -> None:
        for sock in self._sockets():
            sock.close()
