"""First contact by datagram: whose frames are opened, whose wait, and who has to prove itself.

Of a life nothing is believed except that it may exist, until it has echoed 16 random bytes of ours.
The echo names its current counter and lower ones are refused, so a frame that somebody captured is
worthless to a receiver that restarted since. A challenge goes to the NetID inside the authenticated
frame, never to the source of the packet, so nobody can aim our answers at a third party.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from chatter.core.context import Context
from chatter.core.peers import MAX_PEERS
from chatter.errors import FrameError, Replayed
from chatter.ids import NetID, epoch_of
from chatter.wire.frame import Body, Start, decode_body
from chatter.wire.records import CHALLENGE_BYTES, Hello
from chatter.wire.replay import ReplayWindow
from chatter.wire.seal import (
    Channel,
    Opener,
    multicast_context,
    open_frame,
    read_header,
    udp_context,
)

# Challenges a second at most, for all: what somebody gains who replays frames of our own cluster.
CHALLENGES_PER_S = 20
# An unanswered challenge is forgotten after this, so that the next frame asks again.
CHALLENGE_TIMEOUT_S = 1.0
MAX_CHALLENGES = 1024

# Unproven lives whose question we answered, with its counter. Who replays questions of more lives
# than this has watched us for long, and gains one datagram for each of his.
MAX_ANSWERED = 4096

# Frames of lives that have not proven themselves yet: enough for what comes within a round trip.
MAX_WAITING_PER_LIFE = 64
MAX_WAITING_BYTES = 4 * 1024 * 1024
MAX_WAITING_LIVES = 256

# Lives that were replaced by a newer one and must never be believed again; 24 bytes each.
MAX_SUPERSEDED = 65536


class SupersededLife(FrameError):
    """A frame of a life that a newer one has replaced."""

    reason = "superseded_life"


class UnprovenLife(FrameError):
    """A frame of a life that has not shown yet that it is one, and no room for it to wait."""

    reason = "unproven_life"


class NotOurBusiness(FrameError):
    """A frame that names another sender than its life has, or loopback from another host."""

    reason = "impossible_netid"


class OurName(FrameError):
    """A member's frame that names our own address: another node, or a replay of our former life."""

    reason = "our_netid"


_make = tuple.__new__

# NetIDs in the remembered start of a sender's datagrams: itself, and an origin or two.
MAX_START_NETIDS = 4


class Accepted(NamedTuple):
    """A body whose sender has proven itself."""

    netid: NetID
    life: bytes
    body: Body
    group: NetID | None


class Source:
    """What is kept of one life on one channel."""

    __slots__ = ("opener", "start", "window")

    def __init__(self, opener: Opener, window: ReplayWindow) -> None:
        self.opener = opener
        self.window = window
        self.start: Start | None = None
        """How the last frame began, whose sender was found to be who it says."""


class Contacts:
    """Which lives are proven, and what waits for a proof."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lives: dict[NetID, bytes] = {}
        self._proven: dict[bytes, tuple[NetID, int]] = {}
        self._superseded: OrderedDict[bytes, None] = OrderedDict()
        self._sources: dict[tuple[NetID | None, bytes], Source] = {}
        self._opened: tuple[bytes, bytes] | None = None
        """A frame that was looked into, and its body."""
        self._challenges: OrderedDict[NetID, tuple[bytes, float]] = OrderedDict()
        self._answered: OrderedDict[bytes, int] = OrderedDict()
        self._waiting: OrderedDict[bytes, list[tuple[bytes, NetID | None, bool]]] = OrderedDict()
        self._waiting_bytes = 0
        self._groups = (None, *context.config.groups)
        self._allowance = float(CHALLENGES_PER_S)
        self._allowed_at = 0.0

    def life(self, netid: NetID) -> bytes | None:
        """The proven life at this address."""
        return self._lives.get(netid)

    def source(self, group: NetID, life: bytes) -> Source | None:
        """What is kept of a life on one channel, once it is proven and was heard there."""
        return self._sources.get((group, life))

    def opened(self, frame: bytes, body: bytes) -> None:
        """A frame was looked into, and is not opened again if it is received next."""
        self._opened = frame, body

    def _open(self, source: Source, frame: bytes) -> bytes:
        opened, self._opened = self._opened, None
        if opened is not None and opened[0] is frame:
            return opened[1]
        return source.opener.open(frame)

    def receive(
        self, frame: bytes, group: NetID | None, from_loopback: bool, now: float
    ) -> list[Accepted]:
        """Open a datagram: its body, and those that waited for the proof it brings.

        Nothing comes of our own frames and of those that have to wait for their sender's proof.

        Args:
            group: the multicast group it came on, None for unicast.
            from_loopback: whether it came from this host's loopback interface.

        Raises:
            FrameError: nothing was changed, except that a challenge may have been queued.
        """
        hint, life, counter = read_header(frame)
        identity = self._context.identity
        if life == identity.life:
            return []  # multicast loop is on for the other processes of this host
        if life in self._superseded:
            raise SupersededLife("a life that a newer one replaced")
        source = self._sources.get((group, life))
        if source is not None:
            window, start = source.window, source.start
            window.check(counter)
            body = decode_body(self._open(source, frame), start)
            if start is None or body.start is not start:
                self._check_sender(body, self._proven[life][0])
                # Not a long one: its table would be kept for as long as its sender lives.
                few = body.start is not None and len(body.start.table) <= MAX_START_NETIDS
                source.start = body.start if few else None
            window.accept(counter)
            assert body.sender is not None
            return [_make(Accepted, (body.sender.netid, life, body, group))]
        if group is None:
            kind, context = Channel.UDP, udp_context(life, identity.life)
        else:
            kind, context = Channel.MULTICAST, multicast_context(life, group)
        opened, opener = open_frame(identity.ring, kind, context, hint, frame)
        body = decode_body(opened)
        if body.sender is None:
            raise FrameError("a datagram that does not name its sender")
        self._check_netid(body.sender.netid, from_loopback)
        if life in self._proven:
            netid, floor = self._proven[life]
            self._check_sender(body, netid)
            window = ReplayWindow(floor)
            window.check(counter)
            window.accept(counter)
            # Only now is anything kept: the life is proven and the frame is authentic.
            self._sources[group, life] = Source(opener, window)
            return [Accepted(netid, life, body, group)]
        if group is None and any(isinstance(record, Hello) for record in body.records):
            return self._receive_hello(body, life, opener, counter, now)
        self._wait(life, frame, group, from_loopback)
        self.challenge(body.sender.netid, life, now)
        return []

    def _receive_hello(
        self, body: Body, life: bytes, opener: Opener, counter: int, now: float
    ) -> list[Accepted]:
        """A hello by datagram from a life that is not proven yet."""
        assert body.sender is not None
        netid = body.sender.netid
        hello = next(record for record in body.records if isinstance(record, Hello))
        if hello.echo is None:
            # No window watches over a life that has not proven itself: without this, somebody who
            # replays its question could have it answered for ever.
            if counter <= self._answered.get(life, 0):
                raise Replayed("a question that was answered")
            self._answered[life] = counter
            self._answered.move_to_end(life)
            if len(self._answered) > MAX_ANSWERED:
                self._answered.popitem(last=False)
            self.answer(netid, life, hello, now)
            return []
        asked = self._challenges.get(netid)
        if asked is None or asked[0] != hello.echo:
            raise Replayed("an echo of what was not asked")
        self.answer(netid, life, hello, now)
        if not self.prove(netid, life, hello.counter):
            return []
        # This very frame is as fresh as the echo in it.
        window = ReplayWindow(counter)
        self._sources[None, life] = Source(opener, window)
        records = [
            record._replace(challenge=None) if isinstance(record, Hello) else record
            for record in body.records
        ]
        accepted = [Accepted(netid, life, body._replace(records=records), None)]
        return accepted + self.released(life, now)

    def challenge(self, netid: NetID, life: bytes, now: float) -> bool:
        """Ask a life for an echo by datagram, if the rate allows."""
        question = self.question(netid, life, now)
        if question is not None:
            self._context.udp.put(netid, life, [question])
        return question is not None

    def question(self, netid: NetID, life: bytes, now: float) -> Hello | None:
        """What asks a life for an echo; None above the rate. One at a time for each NetID."""
        asked = self._challenges.get(netid)
        if asked is not None and now - asked[1] < CHALLENGE_TIMEOUT_S:
            return None
        self._allowance = min(
            CHALLENGES_PER_S, self._allowance + (now - self._allowed_at) * CHALLENGES_PER_S
        )
        self._allowed_at = now
        if self._allowance < 1:
            self._context.counts["challenges_withheld"] += 1
            return None
        self._allowance -= 1
        random = self._context.random_bytes(CHALLENGE_BYTES)
        self._remember_challenge(netid, random, now)
        return self.own_hello(netid, challenge=random, life=life)

    def own_hello(
        self,
        netid: NetID | None,
        *,
        challenge: bytes | None = None,
        echo: bytes | None = None,
        life: bytes | None = None,
    ) -> Hello:
        """What to say of ourselves to this NetID, and to the life there if it is known."""
        known = 0 if netid is None else self.known_epoch(netid)
        since = self._context.since if netid is None else self.since(netid, life)
        counter = self._context.identity.nonce.value
        return Hello(challenge, echo, counter, known, self._context.buffer, since)

    def since(self, netid: NetID, life: bytes | None = None) -> int:
        """Our number when we admitted the node at this address, or now if we have not yet.

        Args:
            life: who is there; None if that is not known.
        """
        peer = self._context.peers.get(netid)
        if peer is None:
            return self._context.since
        return peer.since if life in (None, peer.life) else self._context.number

    def known_epoch(self, netid: NetID) -> int:
        """The newest epoch that was seen at this address, 0 if none was."""
        peer = self._context.peers.get(netid)
        proven = epoch_of(self._lives.get(netid, bytes(8)))
        return proven if peer is None else max(proven, peer.epoch)

    def prove(self, netid: NetID, life: bytes, counter: int) -> bool:
        """A life has echoed. Whether it is now the one that holds this address.

        It is not if the address is held by a newer one: our hello has told it so, and it will draw
        an epoch above.

        Raises:
            NotOurBusiness: it has another address already, which it keeps. Whose frames are known
                by their start would else be taken for those of another. Nothing was changed.
        """
        known = self._lives.get(netid)
        if known == life:
            return True
        if life in self._proven:
            raise NotOurBusiness("a life that has another address")
        if life in self._superseded or (known and epoch_of(life) <= epoch_of(known)):
            self._context.counts["stale_epochs"] += 1
            return False
        if known is not None:
            self.supersede(known)
        elif len(self._lives) >= MAX_PEERS and not self._make_room():
            return False
        self._lives[netid] = life
        self._proven[life] = (netid, counter)
        self._challenges.pop(netid, None)
        return True

    def supersede(self, life: bytes) -> None:
        """Never believe this life again."""
        self._superseded[life] = None
        if len(self._superseded) > MAX_SUPERSEDED:
            self._superseded.popitem(last=False)
        self._drop(life)

    def renew(self) -> None:
        """We have another life: keys for unicast to the former one are of no use any more.

        Nor are answers to what that life asked.
        """
        for key in [one for one in self._sources if one[0] is None]:
            del self._sources[key]
        self._challenges.clear()
        self._answered.clear()

    def forget(self, netid: NetID) -> None:
        """Keep nothing about an address; whoever comes from there proves itself again."""
        life = self._lives.pop(netid, None)
        if life is not None:
            self._drop(life)

    def released(self, life: bytes, now: float) -> list[Accepted]:
        """The frames of this life that waited, now that it is proven; old ones are refused."""
        released: list[Accepted] = []
        waited = self._waiting.pop(life, [])
        self._waiting_bytes -= sum(len(frame) for frame, _, _ in waited)
        for frame, group, from_loopback in waited:
            try:
                released += self.receive(frame, group, from_loopback, now)
            except FrameError:
                # Mostly frames older than the echo, which may be replays for all we can tell.
                self._context.counts["dropped_unproven_life"] += 1
        return released

    def answer(self, netid: NetID, life: bytes, hello: Hello, now: float) -> None:
        """Echo the challenge of a hello, and ask in turn whom we do not know.

        So one exchange proves both sides.
        """
        self.note_echo(netid, hello, now)
        if hello.challenge is None:
            return
        ask: bytes | None = None
        if self._lives.get(netid) != life and hello.echo is None:
            asked = self._challenges.get(netid)
            if asked is not None and now - asked[1] < CHALLENGE_TIMEOUT_S:
                ask = asked[0]  # two that find each other at once ask the same question twice
            else:
                ask = self._context.random_bytes(CHALLENGE_BYTES)
                self._remember_challenge(netid, ask, now)
        reply = self.own_hello(netid, challenge=ask, echo=hello.challenge, life=life)
        self._context.udp.put(netid, life, [reply])

    def note_echo(self, netid: NetID, hello: Hello, now: float) -> None:
        """If a hello answers the question that we asked last, that tells a round trip."""
        asked = self._challenges.get(netid)
        if asked is not None and asked[0] == hello.echo:
            self._context.timing.answered(netid, now - asked[1], now)

    def _remember_challenge(self, netid: NetID, random: bytes, now: float) -> None:
        self._challenges[netid] = (random, now)
        self._challenges.move_to_end(netid)
        if len(self._challenges) > MAX_CHALLENGES:
            self._challenges.popitem(last=False)

    def _wait(self, life: bytes, frame: bytes, group: NetID | None, from_loopback: bool) -> None:
        waiting = self._waiting.setdefault(life, [])
        if len(waiting) >= MAX_WAITING_PER_LIFE:
            raise UnprovenLife("too many frames wait for this life's proof")
        waiting.append((frame, group, from_loopback))
        self._waiting_bytes += len(frame)
        # The oldest go first: lives that never prove themselves must not keep newcomers out.
        while len(self._waiting) > MAX_WAITING_LIVES or self._waiting_bytes > MAX_WAITING_BYTES:
            _, dropped = self._waiting.popitem(last=False)
            self._waiting_bytes -= sum(len(one) for one, _, _ in dropped)
            self._context.counts["dropped_unproven_life"] += len(dropped)

    def _make_room(self) -> bool:
        """Forget some addresses whose nodes are gone; False if there are none."""
        live = {peer.netid for peer in self._context.peers.live()}
        gone = [netid for netid in self._lives if netid not in live]
        # In one go, as looking for them takes the whole table; the longest known first.
        for netid in gone[: max(1, MAX_PEERS // 16)]:
            self.forget(netid)
        return bool(gone)

    def _check_netid(self, netid: NetID, from_loopback: bool) -> None:
        if netid == self._context.local:
            raise OurName("a frame in our own name from another life")
        if netid.is_group:
            raise NotOurBusiness("a group's address where a node's should be")
        if netid.is_loopback and not from_loopback:
            raise NotOurBusiness("a loopback address from another host")

    @staticmethod
    def _check_sender(body: Body, netid: NetID) -> None:
        if body.sender is None or body.sender.netid != netid:
            raise NotOurBusiness("a frame that names another sender than its life has")

    def _drop(self, life: bytes) -> None:
        self._context.peers.version += 1
        self._proven.pop(life, None)
        for group in self._groups:
            self._sources.pop((group, life), None)
        waited = self._waiting.pop(life, [])
        self._waiting_bytes -= sum(len(frame) for frame, _, _ in waited)
