"""Passing on what we were asked to pass on, and answering for it to whoever asked."""

from __future__ import annotations

from chatter.core.context import Context
from chatter.core.duties import Duty
from chatter.core.exchange import ACK_DELAY_S, LEAF_ACK_DELAY_S
from chatter.core.forwarder import Forwarder
from chatter.core.handlers import SerializerDB
from chatter.core.large import header_of, with_payload
from chatter.core.links import Links
from chatter.core.probes import Probes
from chatter.core.session import Session
from chatter.core.store import Store
from chatter.core.transforms import Transforms
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts
from chatter.wire.gossip import Gossip
from chatter.wire.records import Report

Parent = tuple[Session, int]
"""Who asked us: the connection, and the index of the gossip or burst on it."""


class Passing:
    """Serves those behind us: at once, or once a handler had what may be replaced."""

    def __init__(
        self,
        context: Context,
        handlers: SerializerDB,
        links: Links,
        forwarder: Forwarder,
        probes: Probes,
        store: Store,
    ) -> None:
        self._context = context
        self._handlers = handlers
        self._links = links
        self._forwarder = forwarder
        self._duties = forwarder.duties
        self._probes = probes
        self._store = store
        self._transforms = Transforms()

    def asked(
        self, gossip: Broadcasts, sender: NetID, session: Session | None, now: float
    ) -> tuple[Parent | None, tuple[NetID, ...]]:
        """Whom we have to answer, and whom we are asked to serve."""
        if session is None:
            return None, ()
        # Of a large one that is here already chunks come until we say so.
        waits = not gossip.distribution and not gossip.large
        delay_s = LEAF_ACK_DELAY_S if waits else ACK_DELAY_S
        parent = (session, session.exchange.take(now, delay_s))
        self._links.answer_soon(session)
        if not gossip.distribution:
            return parent, ()
        local = self._context.local
        return parent, tuple(
            netid for netid in gossip.distribution if netid != local and netid.may_come_from(sender)
        )

    def pass_on(
        self,
        gossip: Broadcasts,
        sender: NetID,
        parent: Parent | None,
        serve: tuple[NetID, ...],
        now: float,
        *,
        taken: bool = True,
    ) -> None:
        """Serve whom we were asked to serve, and answer that we have it.

        Also for a duplicate: who sent it still relies on us for those it asked us to serve.
        """
        if taken:
            self.say_taken(gossip, sender, parent, now)
        if not serve:
            self.done(parent, gossip, now)
            return
        if isinstance(gossip, Gossip):
            gossip = header_of(gossip)
        duty = self._duties.open(gossip, now, parent=parent)
        self._forwarder.forward(gossip, serve, now, duty)
        self._duties.check(duty, now)

    def say_taken(
        self, gossip: Broadcasts, sender: NetID, parent: Parent | None, now: float
    ) -> None:
        """Answer that a broadcast is here, where whoever sent it waits for that."""
        if parent is None:
            if gossip.confirm_ms or not gossip.to_everyone:
                confirmed = gossip.confirm_ms > 0
                self._probes.took(sender, gossip.id, confirmed=confirmed, now=now)
        elif gossip.confirm_ms:
            session, index = parent
            session.exchange.report(Report(index, ()), at=now)
            self._links.answer_soon(session)

    def done(self, parent: Parent | None, gossip: Broadcasts, now: float) -> None:
        """Answer that a broadcast, and whom we were asked to serve, are done."""
        if parent is not None:
            session, index = parent
            session.exchange.done(index, at=now if gossip.confirm_ms else float("inf"))
            if gossip.confirm_ms:
                self._links.answer_soon(session)

    def holds(self, tag: str) -> bool:
        """Whether what we are asked to pass on waits for its handler first."""
        handler = self._handlers.get(tag)
        if handler is None or not handler.transforms:
            return False
        if self._transforms.full:
            self._context.counts["transforms_left_out"] += 1
            return False
        return True

    def hold(
        self, gossip: Gossip, serve: tuple[NetID, ...], parent: Parent | None, now: float
    ) -> None:
        """Keep it until ``transformed``, or for a second."""
        duty = self._duties.open(header_of(gossip), now, parent=parent)
        self.hold_for(duty, gossip, serve, now)

    def hold_for(self, duty: Duty, gossip: Gossip, serve: tuple[NetID, ...], now: float) -> None:
        """As ``hold``, for a duty that is open already."""
        duty.accepted = False
        self._transforms.hold(gossip._replace(distribution=serve), duty, now)
        self._context.wake(self._transforms.next_wakeup())

    def _release(self, gossip: Gossip, duty: Duty, now: float) -> None:
        duty.gossip = header_of(gossip)._replace(distribution=())
        self._forwarder.forward(duty.gossip, gossip.distribution, now, duty)
        if duty.parent is not None and duty.confirmed:
            self.say_taken(gossip, duty.parent[0].netid or gossip.id.origin, duty.parent, now)
        self._duties.accept(duty, now)

    def transformed(self, broadcast: BroadcastID, payload: bytes | None, now: float) -> None:
        """The handler of a held broadcast is done: it travels on, with the new payload if any."""
        held = self._transforms.release(broadcast)
        if held is None:
            return  # it took too long, and the broadcast went on as it came
        gossip, duty = held
        if payload is not None:
            gossip = with_payload(gossip, payload)._replace(revision=gossip.revision + 1)
            self._store.add(gossip._replace(distribution=()), now)
        self._release(gossip, duty, now)

    def tick(self, now: float) -> None:
        """Let go what waited long enough."""
        for gossip, duty in self._transforms.overdue(now):
            self._release(gossip, duty, now)

    def next_wakeup(self) -> float:
        """When ``tick`` has something to do."""
        return self._transforms.next_wakeup()

    @property
    def pending(self) -> bool:
        """Whether something waits for its handler before it travels on."""
        return bool(self._transforms)

    @property
    def crowded(self) -> bool:
        """Whether so much waits for its handler that the senders are to be held back."""
        return self._transforms.crowded
