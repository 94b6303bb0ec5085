"""One process on the fake network: started and stopped as a test wants it, and what it was told."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from chatter.config import Config
from chatter.core.channels import ChannelSpec
from chatter.core.effects import (
    BroadcastPassed,
    BroadcastSettled,
    Deliver,
    Effect,
    Gap,
    NodeFigures,
    Outcome,
    PeerEvent,
    Settled,
    Trouble,
    Watching,
)
from chatter.core.gathering import MAX_GATHERED_BYTES
from chatter.core.handlers import (
    TABLE_BYTES,
    SerializerDB,
    encode_body,
)
from chatter.core.node import Node
from chatter.errors import MessageTooLarge, QueueFull
from chatter.ids import BroadcastID, NetID
from chatter.testing.clock import Clock
from chatter.testing.dispatch import Delivery, Dispatch
from chatter.testing.freezer import STOCK_BUFFER_BYTES
from chatter.testing.network import Membership, Network
from chatter.testing.shell import Shell
from chatter.testing.worker import Worker
from chatter.wire.gossip import NO_NETIDS
from chatter.wire.seal import MAX_FRAME_BYTES

# What a broadcast takes of our queues besides its payload, a little over-counted. Of a payload that
# no frame holds it is all, as chunks are cut as there is room for them.
HEADER_BYTES = 4096

# While stopping: how often to look whether all is sent.
FLUSH_STEP_S = 0.005


class Member:
    """One process with a node in it: started, stopped, killed and started again.

    Args:
        name: what the test calls it.
        channels: its multicast channels.
        host: the machine it runs on; unset, one of its own.
        seeds: the addresses it joins by.
        unix_ms: its wall clock when asked; each start reads it once.
    """

    def __init__(
        self,
        name: str,
        netid: NetID,
        config: Config,
        network: Network,
        *,
        segment: str,
        unix_ms: Callable[[], int],
        channels: Sequence[ChannelSpec] = (),
        host: str | None = None,
        seeds: Sequence[NetID] = (),
    ) -> None:
        self.name = name
        self.netid = netid
        self.config = config
        self.segment = segment
        self.channels = tuple(channels)
        self.seeds = list(seeds)
        self.running = False
        self.handlers = SerializerDB()
        self.receipts: dict[BroadcastID, Outcome] = {}
        """What became of its confirmed broadcasts, once they were settled."""
        self.gaps: list[Gap] = []
        """What it was told it will not get, in all its lives, in order."""
        self.events: list[PeerEvent] = []
        """What its core told of its peers, in all its lives, in order."""
        self.watched: list[Watching] = []
        """What it was told while it watched the cluster, in order."""
        self.troubles: list[str] = []
        """What it would have warned its operator of."""
        self.send_misjudged = 1.0
        """It takes a send to cost so many times what it does. Zero, and its trees are stars;
        infinity, and it halves."""
        self._host = host
        self.network = network
        self._clock: Clock = network.clock
        self._rng: random.Random = network.rng
        self._unix_ms = unix_ms
        self._dispatch = Dispatch(
            self._clock, self.handlers, self._keeps, self._transformed, self._note_handlers
        )
        self._node: Node | None = None
        self._shell: Shell | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def node(self) -> Node:
        """The core of its present life, or of the last one."""
        assert self._node is not None, f"{self.name} was never started"
        return self._node

    @property
    def counts(self) -> dict[str, int]:
        """What its core counted in its present process."""
        self._settle()
        return self.node.counts

    @property
    def inbox(self) -> list[Delivery]:
        """What was dispatched, in all its lives, in order."""
        return self._dispatch.inbox

    @property
    def undispatched(self) -> int:
        """Broadcasts that nobody here has a handler for, or whose payload is damaged."""
        return self._dispatch.undispatched

    def live_peers(self) -> set[NetID]:
        """The peers it thinks are live."""
        return {peer.address for peer in self._summaries() if peer.state in ("alive", "suspect")}

    def listeners(self) -> set[NetID]:
        """The peers of whom it has fresh evidence that they hear its multicasts."""
        return {peer.address for peer in self._summaries() if peer.multicast}

    def state_of(self, netid: NetID) -> str | None:
        """What it thinks of a peer; None if it knows of none there."""
        return next((one.state for one in self._summaries() if one.address == netid), None)

    def chance(self) -> float:
        """A random number from 0 to 1, from the network's source of chance."""
        return self._rng.random()

    # Life cycle

    def set_clock(self, unix_ms: Callable[[], int]) -> None:
        """From now on its wall clock says something else, as after a battery died."""
        self._unix_ms = unix_ms

    def start(self) -> None:
        """Start a process with a fresh node at this address."""
        assert not self.running, f"{self.name} runs already"
        self._node = Node(
            self.config,
            self.netid,
            self.handlers,
            unix_ms=self._unix_ms(),
            random_bytes=self._rng.randbytes,
            rng=self._rng,
            channels=self.channels,
            buffer=STOCK_BUFFER_BYTES,
            queued=self._dispatch.queued,
        )
        self.running = True
        self._shell = Shell(
            self._node, self.netid, self.config, self.network, self._told, self._note_send
        )
        self.network.attach(
            self.netid,
            self._shell,
            segment=self.segment,
            host=self._host,
            memberships=[Membership(one.group, one.loopback) for one in self.channels],
            ttl=self.config.multicast_ttl,
        )
        self._node.start(self._clock.now)
        self._node.set_seeds(self.seeds, self._clock.now)
        self._carry_out()

    def stop(self) -> None:
        """Leave as a well-behaved process does: send what is queued, say so, and end.

        That takes a moment of virtual time, ``stop_timeout_s`` at most.
        """
        self._finish(self._clock.now + self.config.stop_timeout_s, told=False)

    def kill(self, *, silently: bool = False) -> None:
        """End the process without a word of its own.

        Args:
            silently: the whole host loses its power, so its system says nothing either.
        """
        if not self.running:
            return
        self.running = False
        self.network.detach(self.netid, silently=silently)
        if self._shell is not None:
            self._shell.end()
        self._dispatch.clear()

    def freeze(self) -> None:
        """Stop the process, as SIGSTOP does: it takes nothing and sends nothing.

        Its sockets stay open: its system takes connections and what comes, as far as there is room.
        """
        assert self.running, f"{self.name} does not run"
        self.network.freezer.freeze(self.netid)

    def thaw(self) -> None:
        """Let a stopped process go on."""
        self.network.freezer.thaw(self.netid)

    @property
    def frozen(self) -> bool:
        """Whether its process is stopped."""
        return self.network.freezer.frozen(self.netid)

    def _keeps(self, call: Callable[[], Any]) -> bool:
        return self.network.freezer.keeps(self.netid, call)

    def _finish(self, deadline: float, *, told: bool) -> None:
        if not self.running or self._keeps(lambda: self._finish(deadline, told=told)):
            return
        if self.node.pending(self._clock.now) and self._clock.now < deadline:
            self._clock.after(FLUSH_STEP_S, lambda: self._finish(deadline, told=told))
        elif not told:
            # Only now: who reads it closes its connections with us.
            self.node.leave(self._clock.now)
            self._carry_out()
            self._finish(deadline, told=True)
        else:
            if self._shell is not None:
                self._shell.close_streams()
            self.kill()

    # Broadcasts

    def broadcast(
        self,
        tag: str,
        body: Any,
        to: Sequence[NetID] | None = None,
        *,
        codec: str | None = None,
        confirm_s: float | None = None,
    ) -> tuple[BroadcastID, int]:
        """Send; the broadcast's id, and how many peers it is meant for.

        Args:
            confirm_s: seconds for their answers; ``receipts`` then has what became of it.

        Raises:
            QueueFull: its queues are full, and nothing was sent. A program would wait for a moment.
        """
        handler = self.handlers.get(tag)
        name, table, data = encode_body(handler, tag, body, codec)
        payload = table + data
        if len(payload) > self.config.max_message_bytes + TABLE_BYTES:
            raise MessageTooLarge(f"{len(payload)} bytes encoded")
        now = self._clock.now
        compress = handler is None or handler.compress
        gathered = to is None and confirm_s is None and table == NO_NETIDS
        gathered = gathered and len(data) <= MAX_GATHERED_BYTES
        if gathered:
            straight = self.node.straightway.send(tag, name, data, compress, now)
            if straight is not None:
                assert self._shell is not None
                self._shell.send_straight(straight)
                return straight.id, len(straight.recipients)
        needed = HEADER_BYTES + (len(payload) if len(payload) <= MAX_FRAME_BYTES else 0)
        room = self.node.room(self._clock.now)
        if room < needed:
            raise QueueFull("the network takes less than is broadcast")
        if gathered:
            sent, targets = self.node.gather(tag, name, data, now, room, compress=compress)
            self._carry_out()
            return sent, len(targets)
        sent, targets = self.node.broadcast(
            tag, name, payload, to, now, compress=compress, confirm_s=confirm_s
        )
        self._carry_out()
        return sent, len(targets)

    def watch(self) -> None:
        """For the next seconds have all nodes tell their figures; ``watched`` has what they say."""
        self.node.watch(self._clock.now)
        self._carry_out()

    def handler_takes(self, tag: str, seconds: float) -> None:
        """Let the handler of a tag take so long until it is done."""
        self._dispatch.takes(tag, seconds)

    def handler_queue(self, tag: str, takes_s: float, full_at: int) -> Worker:
        """Give the handler of a tag a worker of its own: what is dispatched waits for its turn.

        It may not be one that transforms.

        Args:
            takes_s: seconds for each message.
            full_at: how many may wait before the node holds back those who send.
        """
        return self._dispatch.add_queue(tag, takes_s, full_at)

    def _note_handlers(self, full: bool) -> None:
        self.node.note_handlers(full, self._clock.now)
        self._carry_out()

    # Effects

    def _carry_out(self) -> None:
        assert self._shell is not None
        self._shell.carry_out()

    def _told(self, effect: Effect) -> None:
        match effect:
            case Deliver():
                self._dispatch.deliver(effect)
            case PeerEvent():
                self.events.append(effect)
            case Settled(broadcast, outcome):
                self.receipts[broadcast] = outcome
            case Gap():
                self.gaps.append(effect)
            case NodeFigures() | BroadcastPassed() | BroadcastSettled():
                self.watched.append(effect)
            case Trouble(message):
                self.troubles.append(message)

    def _note_send(self, seconds: float) -> None:
        self.node.note_send(seconds * self.send_misjudged)

    def _transformed(self, broadcast: BroadcastID, payload: bytes | None) -> None:
        if self._keeps(lambda: self._transformed(broadcast, payload)):
            return
        if self.running:
            self.node.transformed(broadcast, payload, self._clock.now)
            self._carry_out()

    def _summaries(self) -> list[Any]:
        self._settle()
        return self.node.peers(self._clock.now)

    def _settle(self) -> None:
        if self.running:
            self.node.settle(self._clock.now)
            self._carry_out()
