from __future__ import annotations

import random
from collections import deque
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatter.core.planner import Branch, Knowledge, plan, plan_branches, split_branch
from chatter.core.postal import TICKS, split
from chatter.ids import NetID
from tests.core.parts import netid


def knowledge(
    hears: dict[NetID, list[int]] | None = None,
    segments: dict[NetID, NetID] | None = None,
    warm: set[NetID] | None = None,
    doubtful: set[NetID] | None = None,
    ours: tuple[NetID, ...] = (),
    one_way_s: dict[NetID, float] | None = None,
    send_s: float | None = None,
    most_branches: int = 100_000,
    rank: dict[NetID, float] | None = None,
) -> Knowledge:
    return Knowledge(
        lambda target: (hears or {}).get(target, []),
        lambda target: (segments or {}).get(target),
        lambda target: target in (warm or set()),
        lambda target: target in (doubtful or set()),
        ours,
        lambda target: (one_way_s or {}).get(target),
        send_s,
        most_branches,
        None if rank is None else rank.__getitem__,
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[NetID], Knowledge, list[int], bool, int]:
    targets = [netid(number) for number in range(2, 2 + draw(st.integers(0, 60)))]
    pick = st.dictionaries(st.sampled_from(targets), st.just([0]) | st.just([1]) | st.just([0, 1]))
    hears = draw(pick) if targets else {}
    names = st.sampled_from([netid(1), netid(1000), netid(2000)])
    segments = draw(st.dictionaries(st.sampled_from(targets), names)) if targets else {}
    some = st.sets(st.sampled_from(targets)) if targets else st.just(set())
    ways = st.floats(0, 10)
    away = draw(st.dictionaries(st.sampled_from(targets), ways)) if targets else {}
    known = knowledge(
        hears,
        segments,
        draw(some),
        draw(some),
        draw(st.sampled_from([(), (netid(1),)])),
        away,
        draw(st.sampled_from([None, 0.0, 0.0001])),
        draw(st.integers(1, 100)),
        draw(st.none() | st.just({target: hash(target) % 997 / 997 for target in targets})),
    )
    return (
        targets,
        known,
        draw(st.sampled_from([[], [0], [0, 1]])),
        draw(st.booleans()),
        draw(st.integers(0, 1000)),
    )


@given(situations())
def test_each_target_is_in_one_place_and_nobody_else_is(
    situation: tuple[list[NetID], Knowledge, list[int], bool, int],
) -> None:
    targets, known, channels, whole, seed = situation

    planned = plan(targets, known, random.Random(seed), channels=channels, whole=whole)

    covered = [member for _, members in planned.multicasts for member in members]
    covered += [one for branch in planned.branches for one in (branch.head, *branch.rest)]
    assert sorted(covered) == sorted(targets)
    assert netid(1) not in covered


@given(situations())
def test_multicasts_go_by_fitting_channels_to_those_who_hear_them(
    situation: tuple[list[NetID], Knowledge, list[int], bool, int],
) -> None:
    targets, known, channels, whole, seed = situation

    planned = plan(targets, known, random.Random(seed), channels=channels, whole=whole)

    for channel, members in planned.multicasts:
        assert channel in channels
        assert all(channel in known.hears(member) for member in members)


def rounds(
    count: int,
    segment_of: dict[NetID, NetID],
    *,
    whole: bool,
    one_way_s: dict[NetID, float] | None = None,
) -> int:
    """How many rounds it takes when every head serves its own segment and plans the rest."""
    everybody = [netid(number) for number in range(1, count + 1)]
    rng = random.Random(count)
    waiting = deque([(everybody[0], tuple(everybody[1:]), 0)])
    deepest = 0
    reached = {everybody[0]}
    while waiting:
        me, rest, hop = waiting.popleft()
        mine = {one for one in rest if whole and segment_of.get(one) == segment_of.get(me)}
        if mine:
            reached |= mine
            deepest = max(deepest, hop + 1)
        known = knowledge(segments=segment_of, one_way_s=one_way_s, send_s=0.0001)
        remaining = [one for one in rest if one not in mine]
        for head, part in plan_branches(remaining, known, rng, whole=whole):
            assert head not in reached
            reached.add(head)
            deepest = max(deepest, hop + 1)
            waiting.append((head, part, hop + 1))
    assert reached == set(everybody)
    return deepest


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 16, 17, 31, 64, 100, 255, 500])
def test_n_nodes_alone_take_log_n_rounds(count: int) -> None:
    assert rounds(count, {}, whole=False) <= ceil(log2(count)) + 1


@pytest.mark.parametrize("count", [2, 5, 16, 17, 64, 100, 255])
@pytest.mark.parametrize("away_s", [0.0001, 0.0005, 0.002, 0.1])
@pytest.mark.parametrize("mixed", [False, True])
def test_nor_do_they_take_more_where_it_is_known_how_far_they_are(
    count: int, away_s: float, mixed: bool
) -> None:
    away = {
        netid(number): away_s * (number % 3 + 1) ** 2 if mixed else away_s
        for number in range(1, count + 1)
    }

    assert rounds(count, {}, whole=False, one_way_s=away) <= ceil(log2(count)) + 1


@pytest.mark.parametrize(("segments", "size"), [(1, 5), (2, 4), (3, 4), (8, 3), (33, 2), (100, 10)])
def test_segments_take_log_of_their_number_and_one_for_the_multicast(
    segments: int, size: int
) -> None:
    segment_of = {
        netid(number): netid(10_000 + (number - 1) // size)
        for number in range(1, segments * size + 1)
    }

    assert rounds(segments * size, segment_of, whole=True) <= ceil(log2(segments)) + 1


def test_a_segment_is_entered_once() -> None:
    targets = [netid(number) for number in range(2, 26)]
    segments = {target: netid(100 + index // 4) for index, target in enumerate(targets)}

    branches = plan_branches(targets, knowledge(segments=segments), random.Random(1), whole=True)

    places = [{segments[one] for one in (branch.head, *branch.rest)} for branch in branches]
    assert sum(len(place) for place in places) == len(set.union(*places)) == 6


def test_our_own_segment_is_not_passed_on_as_a_whole() -> None:
    """We were asked because we should be heard there. Who is handed all of it may fare the same."""
    targets = [netid(number) for number in range(2, 34)]
    segments = dict.fromkeys(targets, netid(100))

    ours = knowledge(segments=segments, ours=(netid(100),))
    branches = plan_branches(targets, ours, random.Random(1), whole=True)
    theirs = plan_branches(targets, knowledge(segments=segments), random.Random(1), whole=True)

    assert len(branches) == 6
    assert len(theirs) == 1


def test_a_warm_head_is_preferred() -> None:
    targets = [netid(number) for number in range(2, 18)]

    for seed in range(20):
        warm = {targets[seed % 16]}
        branches = plan_branches(targets, knowledge(warm=warm), random.Random(seed), whole=False)
        (branch,) = [one for one in branches if warm & {one.head, *one.rest}]
        assert branch.head in warm


def test_who_could_not_be_reached_heads_nothing_and_is_served_all_the_same() -> None:
    targets = [netid(number) for number in range(2, 12)]
    doubtful = set(targets[:9])

    branches = plan_branches(targets, knowledge(doubtful=doubtful), random.Random(1), whole=False)

    assert {branch.head for branch in branches} == set(targets)
    assert all(branch.rest == () for branch in branches)


def test_two_runs_choose_other_heads() -> None:
    """Or the same few nodes would carry the cluster."""
    targets = [netid(number) for number in range(2, 66)]

    heads = {
        branch.head
        for seed in range(20)
        for branch in plan_branches(targets, knowledge(), random.Random(seed), whole=False)
    }

    assert len(heads) > 30


@given(st.integers(0, 50), st.integers(1, 60))
def test_a_split_branch_is_the_same_nodes_in_lists_that_fit(rest: int, most: int) -> None:
    branch = Branch(netid(1), tuple(netid(2 + number) for number in range(rest)))

    parts = split_branch(branch, most)

    assert all(len(part.rest) <= most for part in parts)
    members = [one for part in parts for one in (part.head, *part.rest)]
    assert members == [branch.head, *branch.rest]


def test_what_takes_many_datagrams_is_not_multicast_for_one() -> None:
    """A connection loses none of them."""
    known = knowledge({netid(2): [0], netid(3): [1], netid(4): [1]})
    targets = [netid(2), netid(3), netid(4)]

    planned = plan(targets, known, random.Random(1), channels=[0, 1], whole=True, alone=False)

    assert planned.multicasts == ((1, (netid(3), netid(4))),)
    assert planned.branches == (Branch(netid(2), ()),)


# With what was measured

FAR_S, SEND_S = 0.05, 0.0001


def sizes(branches: list[Branch]) -> list[int]:
    return [len(branch.rest) + 1 for branch in branches]


def test_those_far_away_are_all_sent_to_directly() -> None:
    """Each message is under way for the time of 500 sends: relays would be 500 sends late."""
    targets = [netid(number) for number in range(2, 66)]
    known = knowledge(one_way_s=dict.fromkeys(targets, FAR_S), send_s=SEND_S)

    branches = plan_branches(targets, known, random.Random(1), whole=True)

    assert sizes(branches) == [1] * 64


def test_those_next_door_are_halved() -> None:
    targets = [netid(number) for number in range(2, 66)]
    known = knowledge(one_way_s=dict.fromkeys(targets, SEND_S), send_s=SEND_S)

    branches = plan_branches(targets, known, random.Random(1), whole=True)

    assert sizes(branches) == [32, 16, 8, 4, 2, 1, 1]


def test_in_between_the_branches_are_those_of_the_postal_model() -> None:
    targets = [netid(number) for number in range(2, 66)]
    known = knowledge(one_way_s=dict.fromkeys(targets, 4 * SEND_S), send_s=SEND_S)

    branches = plan_branches(targets, known, random.Random(1), whole=True)

    assert sizes(branches) == split(64, 4 * TICKS)
    assert 7 < len(branches) < 20


@pytest.mark.parametrize(
    ("measured", "send_s"), [(64, None), (0, SEND_S), (31, SEND_S)], ids=["sends", "ways", "most"]
)
def test_while_little_is_measured_the_list_is_halved(measured: int, send_s: float | None) -> None:
    targets = [netid(number) for number in range(2, 66)]
    away = dict.fromkeys(targets[:measured], FAR_S)
    known = knowledge(one_way_s=away, send_s=send_s)

    branches = plan_branches(targets, known, random.Random(1), whole=True)

    assert sizes(branches) == [32, 16, 8, 4, 2, 1, 1]


def test_of_a_segment_one_that_was_measured_is_enough() -> None:
    targets = [netid(number) for number in range(2, 66)]
    segments = {target: netid(100 + index // 4) for index, target in enumerate(targets)}
    known = knowledge(
        segments=segments, one_way_s=dict.fromkeys(targets[::4], FAR_S), send_s=SEND_S
    )

    branches = plan_branches(targets, known, random.Random(1), whole=True)

    assert sizes(branches) == [4] * 16


def test_the_far_are_sent_to_first_and_near_ones_do_not_wait_for_them() -> None:
    near = [netid(number) for number in range(2, 33)]
    far = [netid(number) for number in range(40, 43)]
    away = dict.fromkeys(near, SEND_S) | dict.fromkeys(far, FAR_S)
    known = knowledge(one_way_s=away, send_s=SEND_S)

    branches = plan_branches(near + far, known, random.Random(1), whole=True)

    assert {branch.head for branch in branches[:3]} == set(far)
    assert sizes(branches) == [1, 1, 1, 16, 8, 4, 2, 1]


def test_the_nearest_of_a_branch_heads_it() -> None:
    """A quarter is somewhat farther away, not so much that they were better off alone."""
    targets = [netid(number) for number in range(2, 62)]
    away = {target: (6 if index % 4 else 9) * SEND_S for index, target in enumerate(targets)}
    known = knowledge(one_way_s=away, send_s=SEND_S)

    for seed in range(10):
        branches = plan_branches(targets, known, random.Random(seed), whole=True)
        for branch in branches:
            assert away[branch.head] == min(away[one] for one in (branch.head, *branch.rest))
        assert any(len({away[one] for one in (b.head, *b.rest)}) == 2 for b in branches)


def test_what_differs_by_chance_does_not_make_the_same_ones_heads() -> None:
    rng = random.Random(1)
    targets = [netid(number) for number in range(2, 66)]
    away = {target: SEND_S * rng.uniform(5.7, 7.9) for target in targets}
    known = knowledge(one_way_s=away, send_s=SEND_S)

    heads = {
        branch.head
        for seed in range(20)
        for branch in plan_branches(targets, known, random.Random(seed), whole=False)
    }

    assert len(heads) > 40


def test_neighbours_stay_together_at_whatever_distance() -> None:
    targets = [netid(number) for number in range(2, 66)]
    segments = {target: netid(100 + index // 8) for index, target in enumerate(targets)}
    away = {target: 4 * SEND_S * (1 + index % 5) for index, target in enumerate(targets)}
    known = knowledge(segments=segments, one_way_s=away, send_s=SEND_S)

    branches = plan_branches(targets, known, random.Random(1), whole=False)

    places = [{segments[one] for one in (branch.head, *branch.rest)} for branch in branches]
    assert sum(len(place) for place in places) <= len(branches) + 7


@pytest.mark.parametrize("most", [1, 7, 20, 63])
def test_a_busy_node_keeps_to_fewer_branches(most: int) -> None:
    """Or what is broadcast next had to wait until the last is sent to everybody."""
    targets = [netid(number) for number in range(2, 66)]
    away = dict.fromkeys(targets, FAR_S)
    known = knowledge(one_way_s=away, send_s=SEND_S, most_branches=most)

    branches = plan_branches(targets, known, random.Random(1), whole=True)

    assert len(branches) <= max(most, 7)


@pytest.mark.parametrize("whole", [False, True])
def test_with_the_same_ranks_the_ways_are_the_same(whole: bool) -> None:
    """Their connections are up then. With others the work goes round."""
    targets = [netid(number) for number in range(2, 66)]
    segments = {target: netid(100 + index // 4) for index, target in enumerate(targets)}
    warm = set(targets[::5])

    def branches(ranked: int, chance: int) -> list[Branch]:
        rank = {
            target: random.Random(ranked * 1000 + target.port + index).random()
            for index, target in enumerate(targets)
        }
        known = knowledge(segments=segments, warm=warm, rank=rank)
        return plan_branches(targets, known, random.Random(chance), whole=whole)

    assert branches(1, 1) == branches(1, 2)
    assert branches(1, 1) != branches(2, 1)
