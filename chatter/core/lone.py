"""Lone messages: one in a datagram, to everyone, and nothing is missing before it.

Where messages come now and then, something else has used the processor's caches in between. Then
it is not the steps that a message takes that cost, but how much code and memory they touch: the
same steps take ten times as long as among others of their kind. So a lone message is taken in two
halves. What decides about the next datagram is done at once: its counter is spent and its number
taken, so it can be dispatched. All else is noted, and done for several together; or as soon as the
node is to do anything else, so nobody ever sees the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from chatter.core.contact import Contacts, Source
from chatter.core.context import Context
from chatter.core.effects import Deliver, UdpReady
from chatter.core.flow import Flow, ReceivingFlow
from chatter.core.handlers import SerializerDB
from chatter.core.membership import Membership
from chatter.core.origins import OriginLife, Origins
from chatter.core.pace import least_lately_s
from chatter.core.peers import Peer
from chatter.core.store import Store
from chatter.core.watched import Watched
from chatter.errors import FrameError
from chatter.ids import LIFE_BYTES, NetID
from chatter.wire.alike import Alike
from chatter.wire.frame import Sender
from chatter.wire.gossip import Gossip
from chatter.wire.seal import COUNTER_BYTES, HEADER_BYTES, OVERHEAD_BYTES

# Noted at most: by then what is done for one costs little more than what it is. Who hears the same
# messages shall not settle after the same one, which would come late to whoever is last: so it is
# drawn anew each time.
FEW_NOTED, MOST_NOTED = 8, 24

# The part of a grant that may be noted and not yet reckoned. Grants are renewed from a quarter of
# them on, so none comes too late for that.
_UNRECKONED = 8

# Senders whose last message is remembered; who is one of more is received as anybody.
MAX_LANES = 1024

_make = tuple.__new__
_LANE = itemgetter(1)
_LIFE = slice(2, 2 + LIFE_BYTES)
_COUNTER = slice(HEADER_BYTES - COUNTER_BYTES, HEADER_BYTES)


class _Lane:
    """What was true of a sender's last message, and is as long as the versions are the same."""

    __slots__ = (
        "alike", "at", "channel", "flow", "handlers_version", "kind", "life", "netid", "opener",
        "ordered", "peer", "peers_version", "window",
    )  # fmt: skip

    def __init__(
        self,
        source: Source,
        peer: Peer,
        channel: int,
        flow: Flow,
        life: OriginLife,
        alike: Alike,
        gossip: Gossip,
        versions: tuple[int, int],
        ordered: bool,
        at: float,
    ) -> None:
        self.opener = source.opener
        self.window = source.window
        self.peer = peer
        self.netid = peer.netid
        self.channel = channel
        self.flow = flow
        self.life = life
        self.alike = alike
        self.kind = (*gossip.id[:2], gossip.tag, gossip.codec, gossip.hop, gossip.compress)
        self.peers_version, self.handlers_version = versions
        self.ordered = ordered
        self.at = at


class Lone:
    """Takes lone messages that are like the one before. Hot: once for each.

    Args:
        groups: of our channels.
    """

    def __init__(
        self,
        context: Context,
        groups: Sequence[NetID],
        handlers: SerializerDB,
        contacts: Contacts,
        membership: Membership,
        origins: Origins,
        store: Store,
        flow: ReceivingFlow,
        watched: Watched,
    ) -> None:
        self._most = MOST_NOTED
        self.enough = False
        """Whether ``settle`` should be called, once what was taken is dispatched."""
        self._context = context
        self._groups = groups
        self._handlers = handlers
        self._contacts = contacts
        self._membership = membership
        self._peers = context.peers
        self._origins = origins
        self._store = store
        self._flow = flow
        self._watched = watched
        self._lately_s = least_lately_s(context.config)
        by_group: dict[NetID, dict[bytes, _Lane]] = {group: {} for group in groups}
        self._lanes = [by_group[group] for group in groups]
        self.noted: list[tuple[Gossip, _Lane, int, int, float]] = []
        """What was taken, and is not settled yet."""

    def take(self, frame: bytes, channel: int, now: float) -> Deliver | None:
        """The message of a datagram from one of our channels, if it is a lone one.

        None: nothing was changed. It is one for ``Node.receive_datagram``, which has to be given
        the same bytes object.
        """
        lane = self._lanes[channel].get(frame[_LIFE])
        if lane is None or lane.peers_version != self._peers.version:
            return None
        life, peer = lane.life, lane.peer
        if (
            len(frame) < OVERHEAD_BYTES
            or not lane.window.comes_next(counter := int.from_bytes(frame[_COUNTER], "big"))
            or lane.handlers_version != self._handlers.version
            or now - lane.at > self._lately_s  # that would be news
            or not peer.heard
            or not life.kept
            or (life.order is not None and life.order.waiting)
            or self._watched.active
        ):
            return None
        try:
            body = lane.opener.open(frame)
            found = lane.alike.read(body)
        except FrameError:
            return None  # whoever looks again finds the same, and counts it
        if found is None or not life.takes_next(
            found[1].id.seqno, found[1].number, 1, lane.netid, now
        ):
            self._contacts.opened(frame, body)
            return None
        position, gossip = found
        if lane.ordered:
            life.ordered().went(gossip.id.seqno)
        lane.window.accept(counter)
        lane.at = now
        noted, flow = self.noted, lane.flow
        noted.append((gossip, lane, position, len(frame), now))
        if (
            len(noted) >= self._most
            or (position - flow.seen) * _UNRECKONED >= flow.limit - flow.paid
        ):
            self.enough = True
        return _make(Deliver, (gossip, lane.netid, "multicast", False))

    def settle(self) -> None:
        """Do for those that were taken what is still to be done."""
        noted = self.noted
        if not noted:
            return
        context = self._context
        self.noted, self.enough = [], False
        self._most = context.rng.randint(FEW_NOTED, MOST_NOTED)
        counts, tags = context.counts, context.tags
        counts["frames_received"] += len(noted)
        counts["gossip_received"] += len(noted)
        context.appetite.messages += len(noted)
        for lane, notes in groupby(noted, key=_LANE):
            run = list(notes)
            for gossip, _, _, size, at in run:
                counts["bytes_received"] += size
                self._store.add(gossip, at)
            # All else is as if the first and the last alone had come.
            peer, channel = lane.peer, lane.channel
            tags.count(run[0][0].tag, len(run))
            peer.heard_at = at
            self._membership.note_multicast(peer, channel, at)
            if len(run) > 1:
                self._flow.heard(peer, channel, run[0][2], run[0][4])
            self._flow.heard(peer, channel, run[-1][2], at)
        if context.udp.waiting:
            context.effects.append(UdpReady())

    def came(self, channel: int, life: bytes, sender: Sender, gossip: Gossip, now: float) -> None:
        """A gossip came alone in a datagram, which was just received as any other: those like it
        are taken here from now on, if nothing speaks against that."""
        lanes = self._lanes[channel]
        lane = lanes.get(life)
        versions = self._peers.version, self._handlers.version
        if (
            lane is not None
            and (lane.peers_version, lane.handlers_version) == versions
            and lane.kind == (*gossip.id[:2], gossip.tag, gossip.codec, gossip.hop, gossip.compress)
            and lane.life.kept
        ):
            lane.at = now
            return  # one of many that come one behind the other: they are not given to ``take``
        source = self._contacts.source(self._groups[channel], life)
        peer = self._peers.get(sender.netid)
        handler = self._handlers.dispatcher(gossip.tag)
        origin = self._origins.get(gossip.id.origin, gossip.id.epoch)
        if (
            source is None
            or source.start is None
            or peer is None
            or sender.channel not in peer.flow
            or origin is None
            or origin.named_at != now  # it is none that comes next: a second copy, by another way
            or not Alike.can_be(gossip)
        ):
            return
        if len(lanes) >= MAX_LANES and life not in lanes:
            lanes.clear()
        lanes[life] = _Lane(
            source,
            peer,
            sender.channel,
            peer.flow[sender.channel],
            origin,
            Alike(source.start, gossip),
            gossip,
            versions,
            handler is not None and handler.ordered,
            now,
        )
