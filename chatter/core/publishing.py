"""Our own broadcasts: their ids and numbers, what is gathered of them, and how they set out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chatter.core.context import Context
from chatter.core.duties import Duties
from chatter.core.effects import FlushSoon
from chatter.core.forwarder import Forwarder
from chatter.core.gathering import MAX_BURST_BYTES, MORE_BYTES, Gathering
from chatter.core.large import header_of, with_payload
from chatter.core.receipts import Receipts
from chatter.core.repair import Repair
from chatter.core.store import Store
from chatter.core.watched import Watched
from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Broadcasts, Burst, head_bound
from chatter.wire.gossip import Gossip
from chatter.wire.idtable import sort_netids


class Publishing:
    """Gives each broadcast of ours its place, keeps it, and has it sent.

    Args:
        went_alone: told of each that was gathered and found no other to go with.
    """

    def __init__(
        self,
        context: Context,
        store: Store,
        repair: Repair,
        receipts: Receipts,
        forwarder: Forwarder,
        watched: Watched,
        went_alone: Callable[[Gossip, tuple[NetID, ...], float], None],
    ) -> None:
        self._context = context
        self._store = store
        self._repair = repair
        self._receipts = receipts
        self._forwarder = forwarder
        self._duties: Duties = forwarder.duties
        self._watched = watched
        self._went_alone = went_alone
        self.seqno = 0
        """Of our last broadcast in this life."""
        self.gathering: Gathering | None = None
        """Those that wait for others to go with them."""

    def broadcast(
        self,
        tag: str,
        codec: str,
        payload: bytes,
        to: Iterable[NetID] | None,
        now: float,
        *,
        compress: bool = True,
        confirm_s: float | None = None,
    ) -> tuple[BroadcastID, tuple[NetID, ...]]:
        """See ``Node.broadcast``."""
        context = self._context
        self.seqno += 1
        broadcast = BroadcastID(context.local, context.identity.epoch, self.seqno)
        number = after = 0
        if to is None:
            context.number += 1
            number = context.number
            targets = list(context.peers.live_netids())
        else:
            after = context.number
            targets = [netid for netid in sort_netids(to) if netid != context.local]
        confirm_ms = 0 if confirm_s is None else max(1, int(confirm_s * 1000))
        gossip = with_payload(
            Gossip(broadcast, tag, codec, b"", number, 0, (), 0, compress, confirm_ms, after),
            payload,
        )
        self._store.add(gossip, now)
        if number:
            self._repair.note_own(number, number, now)
        context.counts["broadcasts"] += 1
        if not targets:
            context.counts["broadcasts_to_nobody"] += 1
        duty = None
        if confirm_s is not None:
            tally = self._receipts.open(broadcast, targets, confirm_s, now)
            duty = self._duties.open(header_of(gossip), now, tally=tally)
        if self._watched.active:
            self._watched.sent(gossip, len(payload), len(targets), now)
        self._forwarder.forward(header_of(gossip), targets, now, duty)
        if duty is not None:
            self._duties.check(duty, now)
        return broadcast, tuple(targets)

    def gather(
        self, tag: str, codec: str, body: bytes, room: int, compress: bool
    ) -> tuple[BroadcastID, tuple[NetID, ...]]:
        """Begin to gather; nothing may be gathered before.

        Args:
            room: what the queues take.
        """
        context = self._context
        targets = context.peers.live_netids()
        local = context.local
        limit = min(MAX_BURST_BYTES - head_bound(tag, local), room)
        self.gathering = Gathering(
            BroadcastID(local, context.identity.epoch, self.seqno + 1),
            context.number + 1,
            tag,
            codec,
            compress,
            targets,
            context.peers.version,
            max(len(body) + MORE_BYTES, limit),
        )
        context.effects.append(FlushSoon())
        joined = self.join(tag, codec, body, compress)
        assert joined is not None
        return joined

    def join(
        self, tag: str, codec: str, body: bytes, compress: bool
    ) -> tuple[BroadcastID, tuple[NetID, ...]] | None:
        """As ``gather``, if it can join those that are being gathered, and then without effects.

        None: it cannot, and nothing changed.
        """
        gathering = self.gathering
        if gathering is None:
            return None
        context = self._context
        broadcast = gathering.add(tag, codec, body, compress, context.peers.version)
        if broadcast is None:
            return None
        context.number += 1
        context.counts["broadcasts"] += 1
        self.seqno += 1
        targets = gathering.targets
        if not targets:
            context.counts["broadcasts_to_nobody"] += 1
        return broadcast, targets

    def flush(self, now: float) -> None:
        """Have what was gathered sent."""
        gathering = self.gathering
        if gathering is None:
            return
        self.gathering = None
        sent = gathering.broadcasts()
        self.keep(sent, now)
        if self._watched.active:
            self._watched.gathered(sent, len(gathering.targets), now)
        self._forwarder.forward(sent, gathering.targets, now)
        if isinstance(sent, Gossip):
            self._went_alone(sent, gathering.targets, now)

    def keep(self, sent: Broadcasts, now: float) -> None:
        """Broadcasts of ours to everyone have set out: others may ask us for them."""
        if isinstance(sent, Burst):
            self._store.add_burst(sent, now)
        else:
            self._store.add(sent, now)
        self._repair.note_own(sent.number, sent.last_number, now)

    def begin_anew(self) -> None:
        """Another life begins: it counts from 1."""
        assert self.gathering is None, "they have ids of the former life"
        self.seqno = self._context.number = 0
