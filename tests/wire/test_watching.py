"""What watchers are told: the edges of each record, and what no node says."""

from __future__ import annotations

from typing import Any

import pytest

from chatter.errors import FrameError, TooLarge
from chatter.ids import BroadcastID, NetID
from chatter.wire.frame import MAX_ROUTING_BYTES
from chatter.wire.idtable import MAX_TABLE_ENTRIES, encode_table
from chatter.wire.records import (
    MAX_CLOCK_US,
    MAX_THIN,
    Figures,
    Record,
    Result,
    Served,
    Trace,
    Traces,
    Watch,
    decode_record,
    type_of,
)
from chatter.wire.watching import MAX_PARTS, MAX_TEXT_BYTES
from tests.wire.samples import at_most

TABLE = tuple(NetID("10.0.0.1", port) for port in range(1, 10))
INDEX = {netid: position for position, netid in enumerate(TABLE)}
ORIGIN, SENDER, OTHER = TABLE[:3]
ID = BroadcastID(ORIGIN, 1, 1)
ID_HEX = "00" + "0000000000000001" + "01"

FIGURES = Figures(7, 9, 0, 1, 60, "1.0", (("frames", 5),), (("hello", 2),))
TRACE = Trace(ID, 1, SENDER, True, 250, "hello", 18, 0)
SENT = Trace(ID, 0, ORIGIN, False, 250, "hello", 18, 300)
RESULT = Result(ID, 250, "hello", 18, 2, (OTHER,), (Served(ORIGIN, 1, True, (SENDER,), (3,)),))


def taken(record: Record) -> Record | None:
    """What a receiver makes of it."""
    return decode_record(type_of(record), record.encode(INDEX), TABLE)


def traces(**changes: Any) -> Traces:
    """One broadcast that came by, with these fields changed."""
    return Traces((TRACE._replace(**changes),))


@pytest.mark.parametrize("thin", [0, MAX_THIN])
def test_a_hash_has_so_many_bits(thin: int) -> None:
    assert taken(Watch(7, 9, thin)) == Watch(7, 9, thin)


@pytest.mark.parametrize("thin", [MAX_THIN + 1, 255])
def test_a_hash_of_more_zero_bits_is_refused(thin: int) -> None:
    with pytest.raises(FrameError, match="zero bits"):
        taken(Watch(7, 9, thin))


@pytest.mark.parametrize(("part", "parts"), [(0, 1), (1, 2), (MAX_PARTS - 1, MAX_PARTS)])
def test_a_part_of_figures(part: int, parts: int) -> None:
    figures = FIGURES._replace(part=part, parts=parts)

    assert taken(figures) == figures


@pytest.mark.parametrize(
    ("part", "parts"),
    [(0, 0), (1, 1), (2, 1), (0, MAX_PARTS + 1), (2**64 - 2, 2**64 - 1)],
)
def test_a_part_that_cannot_be_is_refused(part: int, parts: int) -> None:
    """Who asks keeps which parts came: a node with parts without end would fill its memory."""
    with pytest.raises(FrameError, match=f"part {part} of {parts}"):
        taken(FIGURES._replace(part=part, parts=parts))


def test_figures_have_a_version() -> None:
    """0 stands for none: who takes it for what it knows is told everything again and again."""
    with pytest.raises(FrameError, match="none"):
        taken(FIGURES._replace(version=0))


def test_a_node_lives_for_eight_years_at_most() -> None:
    longest = FIGURES._replace(uptime_us=2**48 - 1)
    assert taken(longest) == longest

    with pytest.raises(FrameError, match="48 bits"):
        taken(FIGURES._replace(uptime_us=2**48))


TWICE = (("a", 1), ("b", 1), ("a", 2))


@pytest.mark.parametrize(
    "figures",
    [FIGURES._replace(counters=TWICE), FIGURES._replace(tags=TWICE)],
    ids=["counters", "tags"],
)
def test_a_name_stands_once(figures: Figures) -> None:
    """Two values would leave it to the reader which of them counts."""
    with pytest.raises(FrameError, match="one name"):
        taken(figures)


def test_a_tag_may_be_called_like_a_counter() -> None:
    same = FIGURES._replace(counters=(("a", 1),), tags=(("a", 2),))

    assert taken(same) == same


def with_text(field: str, text: str) -> Record:
    """A record with this text in this place."""
    match field:
        case "package":
            return FIGURES._replace(package=text)
        case "counters":
            return FIGURES._replace(counters=((text, 1),))
        case "tags":
            return FIGURES._replace(tags=((text, 1),))
        case "trace":
            return traces(tag=text)
        case "sent":
            return Traces((SENT._replace(tag=text),))
    return RESULT._replace(tag=text)


TEXTS = ["package", "counters", "tags", "trace", "sent", "result"]


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("text", ["x", "größe/→", "\0", "x" * MAX_TEXT_BYTES])
def test_any_text_comes_back(field: str, text: str) -> None:
    assert taken(with_text(field, text)) == with_text(field, text)


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize(
    "text", ["x" * (MAX_TEXT_BYTES + 1), "\U0001f600" * (MAX_TEXT_BYTES // 4 + 1)]
)
def test_a_text_is_bounded_in_bytes(field: str, text: str) -> None:
    with pytest.raises(FrameError, match="too long"):
        taken(with_text(field, text))


@pytest.mark.parametrize("field", TEXTS)
def test_an_empty_name_is_refused(field: str) -> None:
    """Only a node's package may have no version."""
    if field == "package":
        assert taken(with_text(field, "")) == with_text(field, "")
        return
    with pytest.raises(FrameError, match=r"empty|1 entries in 2 bytes"):
        taken(with_text(field, ""))


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize(
    "damage", [b"\xff\xff\xff", b"\xed\xa0\x80", b"\xc0\x80A"], ids=["not UTF-8", "half", "long"]
)
def test_a_text_that_is_not_utf_8_is_refused(field: str, damage: bytes) -> None:
    """A surrogate half, and a longer spelling of a letter, are none either."""
    record = with_text(field, "ABC")
    data = record.encode(INDEX)
    assert data.count(b"ABC") == 1

    with pytest.raises(FrameError, match="UTF-8"):
        decode_record(type_of(record), data.replace(b"ABC", damage), TABLE)


@pytest.mark.parametrize("hop", [1, 64])
@pytest.mark.parametrize("multicast", [False, True])
def test_who_served_is_told_with_a_hop(hop: int, multicast: bool) -> None:
    came = traces(hop=hop, multicast=multicast)

    assert taken(came) == came


def test_what_was_sent_here_has_recipients_and_no_sender() -> None:
    """So nobody can name another sender with hop 0, or recipients with a hop."""
    data = bytes.fromhex("01" + ID_HEX + "00" + "ac02" + "fa01" + "0568656c6c6f" + "12")

    assert Traces((SENT,)).encode(INDEX) == data
    assert decode_record(20, data, TABLE) == Traces((SENT,))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (20, "01" + "09" + ID_HEX[2:] + "00" + "00" + "00" + "0168" + "00"),
        (20, "01" + ID_HEX + "01" + "09" + "00" + "00" + "0168" + "00"),
        (21, "09" + ID_HEX[2:] + "00" + "0168" + "00" + "00" + "00" + "00"),
        (21, ID_HEX + "00" + "0168" + "00" + "00" + "01" + "0901" + "00"),
        (21, ID_HEX + "00" + "0168" + "00" + "00" + "00" + "01" + "09" + "00" + "01" + "00"),
        (21, ID_HEX + "00" + "0168" + "00" + "00" + "00" + "01" + "000001" + "010901" + "00"),
    ],
    ids=["origin", "sender", "origin of a result", "missing", "server", "recipient"],
)
def test_a_netid_that_the_table_does_not_have_is_refused(kind: int, data: str) -> None:
    larger = (*TABLE, NetID("10.0.0.2", 1))
    assert decode_record(kind, bytes.fromhex(data), larger) is not None

    with pytest.raises(FrameError, match="table does not"):
        decode_record(kind, bytes.fromhex(data), TABLE)


@pytest.mark.parametrize("hop", [65, 2**64 - 1])
def test_a_trace_of_an_impossible_hop_is_refused(hop: int) -> None:
    with pytest.raises(FrameError, match="hop"):
        taken(traces(hop=hop))


@pytest.mark.parametrize("hop", ["00", "41"])
def test_a_result_of_an_impossible_hop_is_refused(hop: str) -> None:
    """At hop 0 nobody is served."""
    group = "01" + "00" + "00" + hop + "00"
    data = bytes.fromhex(ID_HEX + "00" + "0168" + "00" + "01" + "00" + group)

    with pytest.raises(FrameError, match="hop"):
        decode_record(21, data, TABLE)


@pytest.mark.parametrize("record", [TRACE, SENT, RESULT], ids=["came by", "sent", "result"])
def test_a_clock_and_a_size_have_an_end(record: Trace | Result) -> None:
    def told(**changes: Any) -> Record | None:
        changed = record._replace(**changes)
        whole = Traces((changed,)) if isinstance(changed, Trace) else changed
        back = taken(whole)
        assert back == whole
        return back

    told(at_us=MAX_CLOCK_US, size=2**32)
    with pytest.raises(FrameError, match="48 bits"):
        told(at_us=MAX_CLOCK_US + 1)
    with pytest.raises(TooLarge, match="beyond"):
        told(size=2**32 + 1)
    with pytest.raises(FrameError, match="33 bits"):
        told(size=2**33)


@pytest.mark.parametrize("field", ["counters", "tags"])
def test_a_name_takes_three_bytes(field: str) -> None:
    """Its length, a letter and a number: of more entries than that none is read."""
    head = "07" + "09" + "00" + "01" + "3c" + "00" + ("" if field == "counters" else "00")
    rest = "00" if field == "counters" else ""
    one, two = (bytes.fromhex(head + count + "016101" + rest) for count in ("01", "02"))

    assert decode_record(19, one, TABLE) is not None
    with pytest.raises(TooLarge, match="2 entries"):
        decode_record(19, two, TABLE)


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (19, "07" + "09" + "00" + "01" + "3c" + "00" + "ffffffffffffffffff01"),
        (19, "07" + "09" + "00" + "01" + "3c" + "ffffffffffffffffff01"),
        (20, "ffffffffffffffffff01" + "00" * 100),
        (20, "01" + ID_HEX + "00" + "00" + "00" + "ffffffffffffffffff01"),
        (21, ID_HEX + "00" + "0168" + "00" + "00" + "ffffffffffffffffff01"),
        (21, ID_HEX + "00" + "0168" + "00" + "00" + "00" + "ffffffffffffffffff01"),
    ],
)
def test_counts_and_lengths_with_nothing_behind_them_take_no_memory(number: int, data: str) -> None:
    with at_most(16 * 1024), pytest.raises(FrameError):
        decode_record(number, bytes.fromhex(data), TABLE)


@pytest.mark.parametrize(
    "data",
    [
        # The whole table is missing, and then nothing stands where groups are promised.
        "01" + "00" + "808004" + "ffff01",
        # It was served, each in no time.
        "00" + "01" + "000001" + "01" + "00" + "808004",
        # It is missing twice: the second run would have to touch the first.
        "02" + ("00" + "808004") * 2 + "00",
    ],
)
def test_a_short_result_names_the_table_once_at_most(data: str) -> None:
    everybody = (ORIGIN,) * MAX_TABLE_ENTRIES
    record = bytes.fromhex(ID_HEX + "00" + "0168" + "00" + "00" + data)

    # A list of pointers, and the tuple made of it.
    with at_most(3 * 8 * MAX_TABLE_ENTRIES), pytest.raises(FrameError):
        decode_record(21, record, everybody)


@pytest.mark.parametrize("kind", ["figures", "traces", "result"])
def test_the_largest_record_takes_little_more_than_its_bytes(kind: str) -> None:
    """Entries as small as they get, as many as fill a frame: each becomes a few small objects."""
    names = tuple((f"{number:03x}", 1) for number in range(4096))
    rows = MAX_ROUTING_BYTES // 16 - 1
    record: dict[str, Record] = {
        "figures": FIGURES._replace(counters=names, tags=names),
        "traces": Traces((TRACE._replace(tag="x", at_us=1),) * rows),
        "result": RESULT._replace(groups=(Served(ORIGIN, 1, True, (SENDER,), (3,)),) * 8000),
    }
    data = record[kind].encode(INDEX)
    assert MAX_ROUTING_BYTES // 2 < len(data) < MAX_ROUTING_BYTES * 5 // 4
    with at_most(32 * len(data)):
        assert decode_record(type_of(record[kind]), data, TABLE) is not None


def test_who_is_missing_and_who_was_served_follow_the_table() -> None:
    """In whatever order they were told, and each with its own time."""
    told = RESULT._replace(
        missing=(TABLE[5], TABLE[3]),
        groups=(Served(ORIGIN, 1, False, (OTHER, SENDER), (30, 20)),),
    )

    assert taken(told) == RESULT._replace(
        missing=(TABLE[3], TABLE[5]),
        groups=(Served(ORIGIN, 1, False, (SENDER, OTHER), (20, 30)),),
    )


@pytest.mark.parametrize(
    ("record", "named"),
    [
        (Watch(1, 0, 0), set()),
        (FIGURES, set()),
        (Traces((TRACE, SENT)), {ORIGIN, SENDER}),
        (RESULT, {ORIGIN, SENDER, OTHER}),
    ],
    ids=["watch", "figures", "traces", "result"],
)
def test_what_a_record_needs_in_the_table(record: Record, named: set[NetID]) -> None:
    _, index = encode_table(record.netids())

    assert set(index) == named
    assert record.encode(index)
