"""Vectors as values of the package, and what hypothesis draws: NetIDs, records, whole bodies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from chatter.ids import BroadcastID, NetID
from chatter.wire.frame import Sender
from chatter.wire.gossip import CODECS, MAX_HOPS, Gossip
from chatter.wire.records import (
    LAST_EPOCH_TO_FOLLOW,
    Beacon,
    Hello,
    Leave,
    OtherId,
    OtherIds,
    Probe,
    Record,
    SeenIds,
    Want,
)

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


def name_of(vector: object) -> str | None:
    """A test id."""
    return str(vector["name"]) if isinstance(vector, dict) and "name" in vector else None


def netids(texts: list[str]) -> tuple[NetID, ...]:
    """NetIDs of their texts."""
    return tuple(NetID.parse(text) for text in texts)


def sender_from(given: dict[str, Any] | None) -> Sender | None:
    """The sender of a body vector."""
    return None if given is None else Sender(NetID.parse(given["netid"]), given["channel"])


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
            )
        case "gossip":
            return Gossip(
                BroadcastID(NetID.parse(given["origin"]), given["epoch"], given["seqno"]),
                given["tag"],
                given["codec"],
                bytes.fromhex(given["payload"]),
                given["number"],
                given["hop"],
                netids(given["distribution"]),
                given["revision"],
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
            return Probe(_ids(given["ids"]))
        case "want":
            return Want(_ids(given["ids"]))
        case "leave":
            return Leave()
    raise ValueError(given["kind"])


def _bytes_or_none(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _other_id(given: dict[str, Any]) -> OtherId:
    segment = None if given["segment"] is None else NetID.parse(given["segment"])
    life = bytes.fromhex(given["life"])
    return OtherId(NetID.parse(given["netid"]), life, given["age_ds"], given["left"], segment)


def _ids(given: list[dict[str, Any]]) -> tuple[BroadcastID, ...]:
    return tuple(
        BroadcastID(NetID.parse(one["origin"]), one["epoch"], one["seqno"]) for one in given
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

gossips = st.builds(
    Gossip,
    st.builds(BroadcastID, any_netids, u64, positive),
    tags,
    st.sampled_from(CODECS),
    st.binary(max_size=300),
    st.just(0) | positive,
    st.integers(1, MAX_HOPS),
    ordered_netids,
    st.just(0) | positive,
    st.booleans(),
)
known_epochs = st.integers(0, LAST_EPOCH_TO_FOLLOW)
hellos = st.builds(Hello, st.none() | sixteen, st.none() | sixteen, u64, known_epochs, u64)
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
records: st.SearchStrategy[Record] = st.one_of(
    hellos,
    gossips,
    beacons,
    seen_ids,
    other_ids,
    st.builds(Probe, id_lists),
    st.builds(Want, id_lists),
    st.just(Leave()),
)
senders = st.none() | st.builds(Sender, any_netids, st.integers(0, 255))
