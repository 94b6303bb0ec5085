"""Vectors as values, what hypothesis draws (NetIDs, records, bodies), and a bound on memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from chatter.ids import BroadcastID, NetID
from chatter.wire.burst import Burst, encode_bodies
from chatter.wire.frame import Sender
from chatter.wire.gossip import CODECS, MAX_HOPS, MAX_SIZE_BITS, MS_BITS, Gossip
from chatter.wire.ranges import Ranges
from chatter.wire.records import (
    LAST_EPOCH_TO_FOLLOW,
    MAX_CLOCK_US,
    MAX_THIN,
    Ack,
    Beacon,
    Chunk,
    Credit,
    Figures,
    Grant,
    Hello,
    Highest,
    Leave,
    OtherId,
    OtherIds,
    Probe,
    Record,
    Report,
    Result,
    SeenIds,
    Served,
    SessionCredit,
    Took,
    Top,
    Trace,
    Traces,
    Want,
    WantChunks,
    WantNumbers,
    Watch,
)
from chatter.wire.watching import CLOCK_BITS, MAX_PARTS

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

# The same examples in every run: a red run is red again, on every machine.
PROPERTY = settings(derandomize=True, max_examples=100)
FEW = settings(PROPERTY, max_examples=30)


def vectors(file: str, section: str) -> list[dict[str, Any]]:
    """The vectors of one section of a file."""
    entries: list[dict[str, Any]] = json.loads((VECTORS / file).read_text(encoding="utf-8"))[
        section
    ]
    return entries


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Fails if more memory than this is taken at any time."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit


def name_of(vector: object) -> str | None:
    """A test id."""
    return str(vector["name"]) if isinstance(vector, dict) and "name" in vector else None


def netids(texts: list[str]) -> tuple[NetID, ...]:
    """NetIDs of their texts."""
    return tuple(NetID.parse(text) for text in texts)


def sender_from(given: dict[str, Any] | None) -> Sender | None:
    """The sender of a body vector."""
    if given is None:
        return None
    return Sender(NetID.parse(given["netid"]), given["channel"], given["position"])


def record_from(given: dict[str, Any]) -> Record:
    """The record that a vector describes."""
    match given["kind"]:
        case "hello":
            return Hello(
                _bytes_or_none(given["challenge"]),
                _bytes_or_none(given["echo"]),
                given["counter"],
                given["known_epoch"],
                given["buffer"],
                given["since"],
            )
        case "gossip":
            return Gossip(
                _id(given),
                given["tag"],
                given["codec"],
                bytes.fromhex(given["payload"]),
                given["number"],
                given["hop"],
                netids(given["distribution"]),
                given["revision"],
                given["compress"],
                given["confirm_ms"],
                given["after"],
                given["size"],
                given["pull"],
            )
        case "burst":
            bodies = [bytes.fromhex(one) for one in given["bodies"]]
            payload, one_size = encode_bodies(bodies)
            return Burst(
                _id(given),
                given["tag"],
                given["codec"],
                payload,
                given["number"],
                len(bodies),
                one_size,
                given["hop"],
                netids(given["distribution"]),
                given["compress"],
            )
        case "beacon":
            return Beacon(NetID.parse(given["segment"]))
        case "seen ids":
            heard = tuple((one["channel"], netids(one["netids"])) for one in given["heard"])
            return SeenIds(heard, given["complete"])
        case "other ids":
            return OtherIds(tuple(_other_id(entry) for entry in given["entries"]))
        case "probe":
            return Probe(_ids(given["ids"]), given["answer"])
        case "want":
            return Want(_ids(given["ids"]))
        case "leave":
            return Leave()
        case "highest":
            entries = given["entries"]
            return Highest(tuple(Top(_origin(one), one["epoch"], one["number"]) for one in entries))
        case "want numbers":
            return WantNumbers(_origin(given), given["epoch"], ranges_from(given["ranges"]))
        case "chunk":
            data = bytes.fromhex(given["data"])
            return Chunk(_id(given), given["offset"], data, given["compress"])
        case "want chunks":
            return WantChunks(_id(given), ranges_from(given["ranges"]))
        case "ack":
            return Ack(given["taken"], ranges_from(given["done"]))
        case "report":
            return Report(given["index"], tuple(_served(one) for one in given["groups"]))
        case "took":
            return Took(_ids(given["ids"]))
        case "credit":
            return Credit(tuple(_grant(one) for one in given["entries"]))
        case "session credit":
            return SessionCredit(given["limit"])
        case "watch":
            return Watch(given["question"], given["known"], given["thin"])
        case "figures":
            return Figures(
                given["question"],
                given["version"],
                given["part"],
                given["parts"],
                given["uptime_us"],
                given["package"],
                tuple((name, value) for name, value in given["counters"]),
                tuple((name, value) for name, value in given["tags"]),
            )
        case "traces":
            return Traces(tuple(_trace(one) for one in given["entries"]))
        case "result":
            return Result(
                _id(given),
                given["at_us"],
                given["tag"],
                given["size"],
                given["recipients"],
                netids(given["missing"]),
                tuple(_served(one) for one in given["groups"]),
            )
    raise ValueError(given["kind"])


def ranges_from(given: list[list[int]]) -> Ranges:
    """The ranges of a vector."""
    return tuple((first, last) for first, last in given)


def _bytes_or_none(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _other_id(given: dict[str, Any]) -> OtherId:
    segment = None if given["segment"] is None else NetID.parse(given["segment"])
    life = bytes.fromhex(given["life"])
    return OtherId(NetID.parse(given["netid"]), life, given["age_ds"], given["left"], segment)


def _origin(given: dict[str, Any]) -> NetID:
    return NetID.parse(given["origin"])


def _id(given: dict[str, Any]) -> BroadcastID:
    return BroadcastID(_origin(given), given["epoch"], given["seqno"])


def _ids(given: list[dict[str, Any]]) -> tuple[BroadcastID, ...]:
    return tuple(_id(one) for one in given)


def _served(given: dict[str, Any]) -> Served:
    return Served(
        NetID.parse(given["server"]),
        given["hop"],
        given["multicast"],
        netids(given["recipients"]),
        tuple(given["ms"]),
    )


def _grant(given: dict[str, Any]) -> Grant:
    return Grant(NetID.parse(given["sender"]), given["channel"], given["limit"])


def _trace(given: dict[str, Any]) -> Trace:
    return Trace(
        _id(given),
        given["hop"],
        NetID.parse(given["sender"]),
        given["multicast"],
        given["at_us"],
        given["tag"],
        given["size"],
        given["recipients"],
    )


ports = st.integers(1, 65535)
neighbours = st.builds(lambda last: NetID(f"192.168.1.{last}", 29999), st.integers(1, 254))
same_host = st.builds(lambda port: NetID("127.0.0.1", port), ports)
anywhere = st.builds(
    lambda number, port: NetID(".".join(map(str, number.to_bytes(4, "big"))), port),
    st.integers(0, 2**32 - 1),
    ports,
)
anywhere6 = st.builds(lambda ip, port: NetID(str(ip), port), st.ip_addresses(v=6), ports)
any_netids = neighbours | same_host | anywhere | anywhere6
# Lists as they occur: a subnet, many ports on one host, all over IPv4, all over IPv6, a mixture.
netid_lists = st.one_of(
    *(
        st.lists(one, max_size=60, unique=True)
        for one in (neighbours, same_host, anywhere, anywhere6, any_netids)
    )
)


def in_order(some: list[NetID]) -> tuple[NetID, ...]:
    """As a decoder returns them."""
    return tuple(sorted(some, key=lambda one: (len(one.packed), one.packed, one.port)))


ordered_netids = netid_lists.map(in_order)
u64 = st.integers(0, 2**64 - 1)
positive = st.integers(1, 2**64 - 1)
sixteen = st.binary(min_size=16, max_size=16)
tags = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
ids = st.builds(BroadcastID, any_netids, u64, u64)


# The highest seqno and number that one of a burst may have.
LAST_OF_A_BURST = 2**64 - 2


def burst_of(bodies: Sequence[bytes], **fields: Any) -> Burst:
    """A burst of these bodies, with these fields."""
    payload, one_size = encode_bodies(bodies)
    few = Burst(
        BroadcastID(NetID("10.0.0.1", 1), 1, 7), "hello", "bytes", payload, 5, len(bodies), one_size
    )
    return few._replace(**fields)


@st.composite
def _gossips(draw: st.DrawFn) -> Gossip:
    large = draw(st.booleans())
    numbered = draw(st.booleans())
    return Gossip(
        draw(st.builds(BroadcastID, any_netids, u64, positive)),
        draw(tags),
        draw(st.sampled_from(CODECS)),
        b"" if large else draw(st.binary(max_size=300)),
        draw(positive) if numbered else 0,
        draw(st.integers(1, MAX_HOPS)),
        draw(ordered_netids),
        draw(st.just(0) | positive),
        draw(st.booleans()),
        draw(st.just(0) | st.integers(1, 2**MS_BITS - 1)),
        0 if numbered else draw(st.just(0) | positive),
        draw(st.integers(1, 2**MAX_SIZE_BITS)) if large else 0,
        large and draw(st.booleans()),
    )


gossips = _gossips()
small_bodies = st.binary(max_size=40)
body_lists = st.lists(small_bodies, min_size=2, max_size=12) | st.integers(0, 20).flatmap(
    lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=2, max_size=12)
)


@st.composite
def _bursts(draw: st.DrawFn) -> Burst:
    bodies = draw(body_lists)
    first = st.integers(1, LAST_OF_A_BURST - len(bodies) + 1) | st.integers(1, 300)
    return burst_of(
        bodies,
        id=draw(st.builds(BroadcastID, any_netids, u64, first)),
        number=draw(first),
        tag=draw(tags),
        codec=draw(st.sampled_from(CODECS)),
        hop=draw(st.integers(1, MAX_HOPS)),
        distribution=draw(ordered_netids),
        compress=draw(st.booleans()),
    )


bursts = _bursts()
known_epochs = st.integers(0, LAST_EPOCH_TO_FOLLOW)
hellos = st.builds(Hello, st.none() | sixteen, st.none() | sixteen, u64, known_epochs, u64, u64)
beacons = st.builds(Beacon, any_netids)
seen_ids = st.builds(
    SeenIds,
    st.lists(st.tuples(st.integers(0, 2**32), ordered_netids), max_size=4).map(tuple),
    st.booleans(),
)
other_ids = st.builds(
    OtherIds,
    st.lists(
        st.builds(OtherId, any_netids, sixteen, u64, st.booleans(), st.none() | any_netids),
        max_size=30,
    ).map(tuple),
)
id_lists = st.lists(ids, max_size=30).map(tuple)


def _ranges(ends: list[int]) -> Ranges:
    """Pairs of distinct numbers in order; the halves leave one out between two ranges."""
    halves = sorted(ends)
    pairs = zip(halves[::2], halves[1::2], strict=False)
    return tuple((first * 2, last * 2) for first, last in pairs)


def range_lists(bits: int) -> st.SearchStrategy[Ranges]:
    """Ranges with numbers of up to so many bits."""
    highest = st.integers(0, 2 ** (bits - 1) - 1)
    return st.lists(highest | st.integers(0, 300), max_size=40, unique=True).map(_ranges)


@st.composite
def _served_groups(draw: st.DrawFn) -> Served:
    recipients = draw(ordered_netids)
    ms = st.integers(0, 2**MS_BITS - 1)
    return Served(
        draw(any_netids),
        draw(st.integers(1, MAX_HOPS)),
        draw(st.booleans()),
        recipients,
        tuple(draw(st.lists(ms, min_size=len(recipients), max_size=len(recipients)))),
    )


def _chunk(id_: BroadcastID, offset: int, data: bytes, compress: bool) -> Chunk:
    return Chunk(id_, min(offset, 2**MAX_SIZE_BITS - len(data)), data, compress)


offsets = st.integers(0, 2**MAX_SIZE_BITS - 1)
chunks = st.builds(_chunk, ids, offsets, st.binary(min_size=1, max_size=300), st.booleans())
tops = st.builds(Top, any_netids, u64, u64)
grants = st.builds(Grant, any_netids, u64, u64)
group_lists = st.lists(_served_groups(), max_size=4).map(tuple)
reports = st.builds(Report, u64, group_lists)
watches = st.builds(Watch, u64, u64, st.integers(0, MAX_THIN))
named = st.dictionaries(tags, u64, max_size=20).map(lambda one: tuple(one.items()))
clocks = st.integers(0, MAX_CLOCK_US)
sizes = st.integers(0, 2**MAX_SIZE_BITS)


@st.composite
def _figures(draw: st.DrawFn) -> Figures:
    parts = draw(st.integers(1, MAX_PARTS))
    return Figures(
        draw(u64),
        draw(positive),
        draw(st.integers(0, parts - 1)),
        parts,
        draw(st.integers(0, 2**CLOCK_BITS - 1)),
        draw(st.just("") | tags),
        draw(named),
        draw(named),
    )


@st.composite
def _traces(draw: st.DrawFn) -> Trace:
    broadcast = draw(ids)
    hop = draw(st.integers(0, MAX_HOPS))
    return Trace(
        broadcast,
        hop,
        draw(any_netids) if hop else broadcast.origin,
        hop > 0 and draw(st.booleans()),
        draw(clocks),
        draw(tags),
        draw(sizes),
        0 if hop else draw(u64),
    )


results = st.builds(Result, ids, clocks, tags, sizes, u64, ordered_netids, group_lists)
records: st.SearchStrategy[Record] = st.one_of(
    hellos,
    gossips,
    bursts,
    beacons,
    seen_ids,
    other_ids,
    st.builds(Probe, id_lists, st.booleans()),
    st.builds(Want, id_lists),
    st.just(Leave()),
    st.builds(Highest, st.lists(tops, max_size=30).map(tuple)),
    st.builds(WantNumbers, any_netids, u64, range_lists(64)),
    chunks,
    st.builds(WantChunks, ids, range_lists(32)),
    st.builds(Ack, u64, range_lists(64)),
    reports,
    st.builds(Took, id_lists),
    st.builds(Credit, st.lists(grants, max_size=30).map(tuple)),
    st.builds(SessionCredit, u64),
    watches,
    _figures(),
    st.builds(Traces, st.lists(_traces(), max_size=20).map(tuple)),
    results,
)
senders = st.none() | st.builds(Sender, any_netids, st.integers(0, 255), u64)
