from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from chatter.core import assembly as module
from chatter.core.assembly import (
    FIRST_PAUSE_S,
    MAX_BYTES,
    MAX_OPEN,
    QUIET_S,
    REORDER_S,
    REQUEST_BYTES,
    REQUEST_RANGES,
    WAITING_TIMEOUTS,
    Assemblies,
    Assembly,
)
from chatter.core.spans import most_ranges
from chatter.errors import FrameError
from chatter.ids import BroadcastID, NetID
from chatter.wire.cursor import Cursor
from chatter.wire.gossip import Gossip
from chatter.wire.records import WantChunks
from tests.core.parts import make_gossip, netid

SOURCE, OTHER, THIRD = netid(2), netid(3), netid(4)
TIMEOUT_S = 10.0


def header(size: int, seqno: int = 1, *, pull: bool = False) -> Gossip:
    return make_gossip(seqno, b"", size=size, pull=pull)


def opened(assemblies: Assemblies, size: int, seqno: int = 1, *, pull: bool = False) -> Assembly:
    assembly = assemblies.open(header(size, seqno, pull=pull), SOURCE, 0.0)
    assert assembly is not None
    return assembly


class Asked:
    """Who was asked for what; some take no requests."""

    def __init__(self, *others: NetID) -> None:
        self.requests: list[tuple[float, NetID, WantChunks]] = []
        self.others = others
        self.full: set[NetID] = set()
        self._now = 0.0

    def tick(self, assemblies: Assemblies, now: float) -> list[Gossip]:
        self._now = now
        return assemblies.tick(now, self._ask, self._others)

    def run(self, assemblies: Assemblies, until: float) -> list[Gossip]:
        """Wake it whenever it wants to be."""
        given_up = []
        while assemblies.next_wakeup() <= until:
            given_up += self.tick(assemblies, assemblies.next_wakeup())
        return given_up

    def _ask(self, to: NetID, want: WantChunks) -> bool:
        if to in self.full:
            return False
        self.requests.append((self._now, to, want))
        return True

    def _others(self, broadcast: BroadcastID) -> Sequence[NetID]:
        return self.others

    @property
    def names(self) -> list[NetID]:
        return [to for _, to, _ in self.requests]


def answer(assembly: Assembly, want: WantChunks, payload: bytes, now: float) -> None:
    for first, last in want.ranges:
        assembly.put(first, payload[first : last + 1], now)


# --- one payload ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_any_order_any_cutting_and_duplicates_give_the_same_bytes(seed: int) -> None:
    rng = random.Random(seed)
    payload = rng.randbytes(30_000)
    assembly = opened(Assemblies(TIMEOUT_S), len(payload))
    pieces = [(offset, 700) for offset in range(0, len(payload), 700)]
    pieces += [(rng.randrange(len(payload)), rng.randint(1, 3000)) for _ in range(40)]
    rng.shuffle(pieces)
    taken = 0
    for offset, length in pieces:
        taken += assembly.put(offset, payload[offset : offset + length], 0.1)
        held = sum(stop - start for start, stop in assembly.arrivals)
        assert held == taken
        missing = sum(last + 1 - first for first, last in assembly.missing(1 << 40))
        assert missing == len(payload) - taken
        start = rng.randrange(len(payload))
        there = assembly.available(start, start + 500)
        assert assembly.read(start, start + there) == payload[start : start + there]

    assert taken == len(payload)
    assert assembly.complete
    assert assembly.payload() == payload
    assert assembly.payload() is assembly.payload()
    assert assembly.read(100, 200) == payload[100:200]
    assert assembly.missing(1) == ()


def test_what_is_there_already_stays() -> None:
    assembly = opened(Assemblies(TIMEOUT_S), 6)
    assembly.put(2, b"ab", 0.1)

    assert assembly.put(1, b"XXXX", 0.2) == 2
    assert assembly.put(0, b"YYYYYY", 0.3) == 2
    assert assembly.payload() == b"YXabXY"


def test_a_piece_beyond_the_payload_changes_nothing() -> None:
    assembly = opened(Assemblies(TIMEOUT_S), 10)

    with pytest.raises(FrameError) as caught:
        assembly.put(5, bytes(6), 0.1)
    assert caught.value.reason == "malformed"
    assert (assembly.top, assembly.moved_at) == (0, 0.0)
    assert assembly.put(5, bytes(5), 0.1) == 5


def test_repeats_and_nothing_at_all_do_not_count_as_progress() -> None:
    assembly = opened(Assemblies(TIMEOUT_S), 10)
    assembly.put(0, bytes(5), 1.0)

    assert assembly.put(1, bytes(3), 2.0) == 0
    assert assembly.put(7, b"", 2.0) == 0
    assert assembly.moved_at == 1.0


def test_requests_are_bounded_in_bytes_and_ranges_and_can_be_sent() -> None:
    assembly = opened(Assemblies(TIMEOUT_S), 8 * REQUEST_BYTES)
    assert assembly.missing(1000) == ((0, 999),)
    for offset in range(0, 8 * REQUEST_BYTES, 4096):
        assembly.put(offset, bytes(1000), 0.1)

    ranges = assembly.missing(REQUEST_BYTES)

    assert sum(last + 1 - first for first, last in ranges) == REQUEST_BYTES
    assert ranges[:2] == ((1000, 4095), (5096, 8191))
    assert len(assembly.missing(1 << 40)) == REQUEST_RANGES
    want = WantChunks(assembly.header.id, ranges)
    table = want.netids()
    encoded = want.encode({one: index for index, one in enumerate(table)})
    assert WantChunks.decode(Cursor(encoded), table) == want


def test_a_header_alone_takes_no_memory_for_its_payload() -> None:
    assembly = opened(Assemblies(TIMEOUT_S), MAX_BYTES)
    assembly.put(0, bytes(1000), 0.1)

    assert assembly._buffer.getbuffer().nbytes == 1000


def test_ten_thousand_single_bytes_are_bounded() -> None:
    size = 1 << 20
    assembly = opened(Assemblies(TIMEOUT_S), size)
    taken = sum(assembly.put(offset, b"x", 0.1) for offset in range(1, 20_000, 2))

    assert taken == most_ranges(size)
    assert len(assembly.arrivals) == most_ranges(size)

    backwards = opened(Assemblies(TIMEOUT_S), size)
    for offset in range(size - 1, size - 10_000, -1):  # one range, but of as many arrivals
        assert backwards.put(offset, b"x", 0.1) == 1
        assert len(backwards.arrivals) <= 2 * most_ranges(size)
    assert backwards.edition > 0


# --- all of them ---------------------------------------------------------------------------------


def test_opens_as_much_as_there_is_room_for() -> None:
    assemblies = Assemblies(TIMEOUT_S, max_bytes=1000)
    opened(assemblies, 600)

    assert assemblies.open(header(1 << 32, 3), SOURCE, 0.0) is None
    opened(assemblies, 400, 4)
    assert (assemblies.bytes, len(assemblies)) == (1000, 2)

    assemblies.close(header(600).id, 0.0)
    assemblies.close(header(600).id, 0.0)
    assert assemblies.bytes == 400
    assert assemblies.get(header(600).id) is None
    opened(assemblies, 600, 2)
    assert assemblies.bytes == 1000


def test_what_there_is_no_room_for_waits_for_its_turn_and_is_asked_for_then() -> None:
    desk = Asked(OTHER)
    assemblies = Assemblies(TIMEOUT_S, max_bytes=1000)
    opened(assemblies, 600)
    waiting = opened(assemblies, 401, 2)
    last = opened(assemblies, 10, 3)  # there is room for it, but it would overtake
    assert waiting.put(0, bytes(100), 0.1) == 0
    assemblies.source_gone(SOURCE, 0.2)
    desk.tick(assemblies, 0.2)
    assert all(want.id == header(600).id for _, _, want in desk.requests)
    assert (assemblies.bytes, len(assemblies)) == (600, 3)

    assemblies.close(header(600).id, 1.0)
    desk.requests.clear()
    desk.tick(assemblies, 1.0)

    assert [(want.id, want.ranges) for _, _, want in desk.requests] == [
        (waiting.header.id, ((0, 400),)),
        (last.header.id, ((0, 9),)),
    ]
    assert waiting.put(0, bytes(401), 1.1) == 401
    assert assemblies.bytes == 411


def test_who_waits_for_a_turn_in_vain_is_given_up_late_and_keeps_no_room() -> None:
    desk = Asked(OTHER)
    assemblies = Assemblies(TIMEOUT_S, max_bytes=1000)
    first = opened(assemblies, 1000)
    opened(assemblies, 1000, 2)
    for at in range(1, int(WAITING_TIMEOUTS * TIMEOUT_S)):
        first.put(at, bytes(1), float(at))
        assert desk.tick(assemblies, float(at)) == []

    given_up = desk.tick(assemblies, WAITING_TIMEOUTS * TIMEOUT_S)

    assert [one.id for one in given_up] == [header(1000, 2).id]
    assert assemblies.bytes == 1000
    assemblies.close(first.header.id, 100.0)
    assert assemblies.bytes == 0


def test_four_of_the_largest_by_default_and_so_many_of_the_smallest() -> None:
    assemblies = Assemblies(TIMEOUT_S)
    for seqno in range(1, 5):
        opened(assemblies, 16 << 20, seqno)
    assert opened(assemblies, 1, 5).waits

    assemblies = Assemblies(TIMEOUT_S)
    for seqno in range(1, MAX_OPEN + 1):
        opened(assemblies, 1, seqno)
    assert assemblies.open(header(1, MAX_OPEN + 1), SOURCE, 0.0) is None


def test_opening_again_hands_back_what_is_under_way() -> None:
    assemblies = Assemblies(TIMEOUT_S)
    assembly = opened(assemblies, 100)

    assert assemblies.open(header(100), OTHER, 1.0) is assembly
    assert assembly.source == SOURCE
    assemblies.source_gone(SOURCE, 1.0)
    assert assemblies.open(header(100), OTHER, 1.0) is assembly
    assert assembly.source == OTHER
    assert assemblies.bytes == 100


# --- asking --------------------------------------------------------------------------------------


def test_nobody_is_asked_while_it_comes() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER)
    assembly = opened(assemblies, 200_000)
    for step in range(1, 200):
        now = step * 0.02
        assert asked.run(assemblies, now) == []
        assembly.put(step * 1000, bytes(1000), now)

    assert asked.requests == []


def test_one_that_stalls_is_asked_for_at_its_source_then_elsewhere_then_given_up() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER, THIRD)
    assembly = opened(assemblies, 10_000)
    for step in range(50):
        assembly.put(step * 100, bytes(100), step * 0.001)

    assert asked.run(assemblies, 0.048 + TIMEOUT_S) == []
    assert asked.run(assemblies, 0.05 + TIMEOUT_S) == [assembly.header]
    assert assemblies.get(assembly.header.id) is None
    assert (assemblies.bytes, assemblies.next_wakeup()) == (0, float("inf"))
    times = [at for at, _, _ in asked.requests]
    assert asked.names[:4] == [SOURCE, OTHER, THIRD, SOURCE]
    assert {want.ranges for _, _, want in asked.requests} == {((5000, 9999),)}
    assert times[0] == pytest.approx(0.049 + QUIET_S)
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert pauses[4:] == pytest.approx([1.0] * len(pauses[4:]))
    assert times[-1] < 0.049 + TIMEOUT_S


def test_slow_ones_are_given_twice_their_usual_pause() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    assembly = opened(assemblies, 10_000)
    for step in range(1, 60):
        assembly.put(step * 100, bytes(100), step * 0.2)

    assert asked.tick(assemblies, 59 * 0.2 + 0.35) == []
    assert asked.requests == []
    asked.tick(assemblies, 59 * 0.2 + 0.41)
    assert asked.names == [SOURCE]


def test_pieces_of_one_moment_are_no_pause() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    assembly = opened(assemblies, 100_000)
    for step in range(1, 400):
        assembly.put(step * 100, bytes(100), step // 10 * 0.2)

    asked.tick(assemblies, 39 * 0.2 + 0.35)
    assert asked.requests == []


def test_before_the_first_piece_a_relay_gets_more_time() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    opened(assemblies, 10_000)

    asked.run(assemblies, 2 * FIRST_PAUSE_S - 0.001)
    assert asked.requests == []
    asked.run(assemblies, 2 * FIRST_PAUSE_S)
    assert asked.names == [SOURCE]


def test_once_the_end_came_what_was_lost_is_asked_for_soon() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    assembly = opened(assemblies, 3000)
    assembly.put(0, bytes(1000), 0.1)
    assembly.put(2000, bytes(1000), 0.2)

    assert assemblies.next_wakeup() <= 0.2 + REORDER_S
    asked.run(assemblies, 0.2 + REORDER_S)
    assert [(to, want.ranges) for _, to, want in asked.requests] == [(SOURCE, ((1000, 1999),))]


def test_what_comes_only_when_asked_for_is_asked_for_at_once_and_request_by_request() -> None:
    payload = random.Random(5).randbytes(3 * REQUEST_BYTES + 5)
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER)
    assembly = opened(assemblies, len(payload), pull=True)
    now = 0.0
    while not assembly.complete:
        asked.tick(assemblies, now)
        assert assemblies.next_wakeup() > now, "one request at a time"
        want = asked.requests[-1][2]
        now += 0.02
        answer(assembly, want, payload, now)
        assert assembly.complete or assemblies.next_wakeup() <= now, "the next one at once"

    assert asked.names == [SOURCE] * 4
    assert assembly.payload() == payload


def test_who_answered_is_asked_again() -> None:
    payload = bytes(3 * REQUEST_BYTES)
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER, THIRD)
    assembly = opened(assemblies, len(payload), pull=True)
    asked.tick(assemblies, 0.0)
    asked.run(assemblies, 0.4)
    assert asked.names == [SOURCE, OTHER]

    answer(assembly, asked.requests[-1][2], payload, 0.45)
    asked.tick(assemblies, 0.45)

    assert asked.names == [SOURCE, OTHER, OTHER]


def test_a_push_that_lives_again_is_not_asked_for_piece_by_piece() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    assembly = opened(assemblies, 5 * REQUEST_BYTES)
    asked.run(assemblies, 0.2)
    assert asked.requests[-1][2].ranges == ((0, REQUEST_BYTES - 1),)

    assembly.put(0, bytes(REQUEST_BYTES + 1), 0.21)

    asked.run(assemblies, 0.21 + QUIET_S - 0.001)
    assert len(asked.requests) == 1


def test_a_source_that_is_gone_is_not_waited_for() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER, THIRD)
    assembly = opened(assemblies, 10_000)
    unconcerned = assemblies.open(header(10, 2), THIRD, 0.0)
    assembly.put(0, bytes(100), 0.01)
    assemblies.source_gone(SOURCE, 0.02)

    assert assemblies.next_wakeup() <= 0.02
    asked.tick(assemblies, 0.02)
    assert [(to, want.id) for _, to, want in asked.requests] == [(OTHER, assembly.header.id)]
    assert unconcerned is not None
    assert not unconcerned.source_gone

    assemblies.source_gone(OTHER, 0.03)  # it was asked, so that matters too
    asked.others = (THIRD,)
    asked.tick(assemblies, 0.03)
    assert asked.names == [OTHER, THIRD]
    asked.run(assemblies, 3.0)
    assert SOURCE not in asked.names


def test_who_answered_and_is_gone_is_not_asked_again() -> None:
    payload = bytes(3 * REQUEST_BYTES)
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER)
    assembly = opened(assemblies, len(payload), pull=True)
    asked.run(assemblies, 0.4)
    answer(assembly, asked.requests[-1][2], payload, 0.4)
    asked.others = ()
    assemblies.source_gone(OTHER, 0.4)
    asked.tick(assemblies, 0.4)

    assert asked.names == [SOURCE, OTHER, SOURCE]


def test_the_source_is_gone_while_another_one_answers() -> None:
    payload = bytes(2 * REQUEST_BYTES)
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER)
    assembly = opened(assemblies, len(payload), pull=True)
    asked.run(assemblies, 0.4)
    assert asked.names == [SOURCE, OTHER]
    assembly.put(0, bytes(1000), 0.4)

    assemblies.source_gone(SOURCE, 0.4)
    asked.tick(assemblies, 0.4)

    assert asked.names == [SOURCE, OTHER]


def test_one_that_takes_no_request_is_passed_over() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER, THIRD)
    asked.full = {SOURCE, OTHER}
    opened(assemblies, 10_000, pull=True)
    asked.tick(assemblies, 0.0)
    assert asked.names == [THIRD]

    asked.full = {SOURCE, OTHER, THIRD}
    assert asked.run(assemblies, 60.0)
    assert asked.names == [THIRD]


def test_with_nobody_to_ask_it_waits_until_somebody_is_there() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    opened(assemblies, 10_000, pull=True)
    assemblies.source_gone(SOURCE, 0.0)
    asked.run(assemblies, 3.0)
    assert asked.requests == []

    asked.others = (OTHER,)
    asked.run(assemblies, 4.1)
    assert set(asked.names) == {OTHER}


def test_what_is_complete_or_closed_wakes_nobody() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    complete, closed = opened(assemblies, 10), opened(assemblies, 10, 2)
    complete.put(0, bytes(10), 0.1)
    assemblies.close(closed.header.id, 0.0)
    assemblies.source_gone(SOURCE, 0.1)
    wakeup = assemblies.next_wakeup()
    closed.put(9, b"x", 0.0)
    assert assemblies.next_wakeup() == wakeup

    assert asked.run(assemblies, 60.0) == []
    assert asked.requests == []
    assert assemblies.next_wakeup() == float("inf")
    assert complete.payload() == bytes(10)


def test_looking_sooner_leaves_nothing_behind() -> None:
    assemblies, asked = Assemblies(TIMEOUT_S), Asked()
    opened(assemblies, 10_000)
    for step in range(100):
        assemblies.source_gone(SOURCE, step * 0.001)
    asked.run(assemblies, 2.0)

    assert len(assemblies._queue) == 1


@pytest.mark.parametrize("seed", range(10))
def test_every_payload_arrives_whole_over_a_network_that_loses(seed: int) -> None:
    """Pushed once with losses, then repaired from nodes of whom some never answer."""
    rng = random.Random(seed)
    payload = rng.randbytes(400_000)
    assemblies, asked = Assemblies(TIMEOUT_S), Asked(OTHER, THIRD)
    assembly = opened(assemblies, len(payload))
    now = 0.0
    for offset in range(0, len(payload), 1300):
        now += 0.0001
        if rng.random() < 0.7:
            assembly.put(offset, payload[offset : offset + 1300], now)
    silent = rng.choice((SOURCE, OTHER))
    answered = 0
    while not assembly.complete:
        now = assemblies.next_wakeup()
        assert now < 60
        assert asked.tick(assemblies, now) == []
        for _, to, want in asked.requests[answered:]:
            for first, last in want.ranges:
                for offset in range(first, last + 1, 1300):
                    if to != silent and rng.random() < 0.8:
                        end = min(last + 1, offset + 1300)
                        assembly.put(offset, payload[offset:end], now + 0.005)
        answered = len(asked.requests)

    assert assembly.payload() == payload


def test_the_reasons_beside_the_bounds_hold() -> None:
    wanted = tuple((start, start + 1) for start in range(0, 3 * REQUEST_RANGES, 3))
    assert WantChunks(header(1).id, wanted).size_bound() < 65536 / 6
    assert module.MAX_BYTES == 2 * 32 * 1024 * 1024
