"""The byte tables of docs/protocol.md as code. NetIDs are texts here, and bytes are hex."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from scripts.vectors.primitives import (
    hkdf_expand,
    hkdf_extract,
    leb128,
    lz4_block,
    ocb_encrypt,
    zigzag,
)

RECORD_TYPES = {
    "hello": 1,
    "gossip": 2,
    "beacon": 3,
    "seen ids": 4,
    "other ids": 5,
    "probe": 6,
    "want": 7,
    "leave": 8,
    "highest": 9,
    "want numbers": 10,
    "chunk": 11,
    "want chunks": 12,
    "ack": 13,
    "report": 14,
    "took": 15,
    "credit": 16,
    "session credit": 17,
    "watch": 18,
    "figures": 19,
    "traces": 20,
    "result": 21,
    "burst": 22,
}
CHANNELS = {"multicast": 1, "udp": 2, "tcp hello": 3, "tcp": 4}
CODECS = {"json": 0, "bytes": 1, "own": 2}


def address(netid: str) -> tuple[bytes, int]:
    """The 4 or 16 bytes and the port of `1.2.3.4:5` or `[::1]:5`."""
    ip, _, port = netid.rpartition(":")
    return ipaddress.ip_address(ip.strip("[]")).packed, int(port)


def in_table_order(netids: Iterable[str]) -> list[str]:
    """Once each, IPv4 first, by address, then port."""
    return sorted(set(netids), key=lambda netid: (len(address(netid)[0]), *address(netid)))


def table(netids: Iterable[str]) -> bytes:
    """A NetID table."""
    out = b""
    everybody = [address(netid) for netid in in_table_order(netids)]
    for width in (4, 16):
        family = [(packed, port) for packed, port in everybody if len(packed) == width]
        out += leb128(len(family))
        last_number = last_port = 0
        for packed, port in family:
            number = int.from_bytes(packed, "big")
            if port == last_port:
                out += leb128((number - last_number) * 2)
            else:
                out += leb128((number - last_number) * 2 + 1) + leb128(zigzag(port - last_port))
            last_number, last_port = number, port
    return out


def runs(indices: Iterable[int]) -> bytes:
    """Table indices as runs."""
    wanted = set(indices)
    starts = sorted(one for one in wanted if one - 1 not in wanted)
    out = leb128(len(starts))
    end = 0
    for start in starts:
        length = 1
        while start + length in wanted:
            length += 1
        out += leb128(start - end) + leb128(length)
        end = start + length
    return out


def ranges(given: Iterable[Sequence[int]]) -> bytes:
    """Ranges of numbers, first and last included, that do not touch."""
    out = leb128(len(list(given)))
    follows = 0
    for first, last in given:
        out += leb128(first - follows) + leb128(last - first)
        follows = last + 1
    return out


def eight(number: int) -> bytes:
    """A number in eight bytes."""
    return number.to_bytes(8, "big")


def netids_of(record: dict[str, Any]) -> list[str]:
    """What a record needs in the table."""
    kind = record["kind"]
    if kind in ("gossip", "burst"):
        return [record["origin"], *record["distribution"]]
    if kind == "beacon":
        return [record["segment"]]
    if kind == "seen ids":
        return [netid for one in record["heard"] for netid in one["netids"]]
    if kind == "other ids":
        entries = record["entries"]
        segments = [entry["segment"] for entry in entries if entry["segment"] is not None]
        return [entry["netid"] for entry in entries] + segments
    if kind in ("probe", "want", "took"):
        return [one["origin"] for one in record["ids"]]
    if kind == "highest":
        return [one["origin"] for one in record["entries"]]
    if kind in ("want numbers", "chunk", "want chunks"):
        return [record["origin"]]
    if kind == "report":
        return _netids_of_groups(record)
    if kind == "credit":
        return [one["sender"] for one in record["entries"]]
    if kind == "traces":
        return [netid for one in record["entries"] for netid in (one["origin"], one["sender"])]
    if kind == "result":
        return [record["origin"], *record["missing"], *_netids_of_groups(record)]
    return []


def _netids_of_groups(record: dict[str, Any]) -> list[str]:
    groups = record["groups"]
    return [netid for one in groups for netid in [one["server"], *one["recipients"]]]


def record_bytes(record: dict[str, Any], order: Sequence[str]) -> bytes:
    """The bytes of a record, without type and length."""
    kind = record["kind"]
    if kind == "hello":
        return _hello(record)
    if kind == "gossip":
        return _gossip(record, order)
    if kind == "burst":
        return _burst(record, order)
    if kind == "beacon":
        return leb128(order.index(record["segment"]))
    if kind == "seen ids":
        out = bytes([record["complete"]]) + leb128(len(record["heard"]))
        for one in record["heard"]:
            out += leb128(one["channel"]) + runs(order.index(netid) for netid in one["netids"])
        return out
    if kind == "other ids":
        return _other_ids(record, order)
    if kind in ("probe", "want", "took"):
        out = bytes([record["answer"]]) if kind == "probe" else b""
        out += leb128(len(record["ids"]))
        return out + b"".join(_id(one, order) for one in record["ids"])
    if kind in ("chunk", "want chunks"):
        return _chunks(record, order)
    if kind in ("highest", "want numbers"):
        return _numbers(record, order)
    if kind in ("ack", "report"):
        return _answer(record, order)
    if kind in ("credit", "session credit"):
        return _credit(record, order)
    if kind in ("watch", "figures", "traces", "result"):
        return _watching(record, order)
    assert kind == "leave"
    return b""


def _id(given: dict[str, Any], order: Sequence[str]) -> bytes:
    return leb128(order.index(given["origin"])) + eight(given["epoch"]) + leb128(given["seqno"])


def _chunks(record: dict[str, Any], order: Sequence[str]) -> bytes:
    if record["kind"] == "want chunks":
        return _id(record, order) + ranges(record["ranges"])
    data = bytes.fromhex(record["data"])
    return bytes([not record["compress"]]) + _id(record, order) + leb128(record["offset"]) + data


def _numbers(record: dict[str, Any], order: Sequence[str]) -> bytes:
    if record["kind"] == "want numbers":
        origin = leb128(order.index(record["origin"]))
        return origin + eight(record["epoch"]) + ranges(record["ranges"])
    out = leb128(len(record["entries"]))
    for one in record["entries"]:
        out += leb128(order.index(one["origin"])) + eight(one["epoch"]) + leb128(one["number"])
    return out


def _answer(record: dict[str, Any], order: Sequence[str]) -> bytes:
    if record["kind"] == "ack":
        return leb128(record["taken"]) + ranges(record["done"])
    return leb128(record["index"]) + _groups(record, order)


def _groups(record: dict[str, Any], order: Sequence[str]) -> bytes:
    out = leb128(len(record["groups"]))
    for one in record["groups"]:
        out += leb128(order.index(one["server"])) + bytes([one["multicast"]]) + leb128(one["hop"])
        out += runs(order.index(netid) for netid in one["recipients"])
        out += b"".join(leb128(ms) for ms in one["ms"])
    return out


def _credit(record: dict[str, Any], order: Sequence[str]) -> bytes:
    if record["kind"] == "session credit":
        return leb128(record["limit"])
    out = leb128(len(record["entries"]))
    for one in record["entries"]:
        out += leb128(order.index(one["sender"])) + leb128(one["channel"]) + leb128(one["limit"])
    return out


def _watching(record: dict[str, Any], order: Sequence[str]) -> bytes:
    if record["kind"] == "watch":
        return leb128(record["question"]) + leb128(record["known"]) + bytes([record["thin"]])
    if record["kind"] == "figures":
        return _figures(record)
    if record["kind"] == "result":
        out = _id(record, order) + leb128(record["at_us"]) + _text(record["tag"])
        out += leb128(record["size"]) + leb128(record["recipients"])
        out += runs(order.index(netid) for netid in record["missing"])
        return out + _groups(record, order)
    out = leb128(len(record["entries"]))
    for one in record["entries"]:
        out += _id(one, order) + leb128(one["hop"])
        if one["hop"] == 0:
            out += leb128(one["recipients"])
        else:
            out += leb128(order.index(one["sender"])) + bytes([one["multicast"]])
        out += leb128(one["at_us"]) + _text(one["tag"]) + leb128(one["size"])
    return out


def _figures(record: dict[str, Any]) -> bytes:
    out = leb128(record["question"]) + leb128(record["version"])
    out += leb128(record["part"]) + leb128(record["parts"])
    out += leb128(record["uptime_us"]) + _text(record["package"])
    for named in (record["counters"], record["tags"]):
        out += leb128(len(named))
        out += b"".join(_text(name) + leb128(value) for name, value in named)
    return out


def _text(text: str) -> bytes:
    data = text.encode()
    return leb128(len(data)) + data


def _hello(record: dict[str, Any]) -> bytes:
    flags = (record["challenge"] is not None) + 2 * (record["echo"] is not None)
    return (
        bytes([flags])
        + bytes.fromhex(record["challenge"] or "")
        + bytes.fromhex(record["echo"] or "")
        + leb128(record["counter"])
        + eight(record["known_epoch"])
        + leb128(record["buffer"])
        + leb128(record["since"])
    )


def _gossip(record: dict[str, Any], order: Sequence[str]) -> bytes:
    number, revision = record["number"], record["revision"]
    size, left, after = record["size"], record["confirm_ms"], record["after"]
    flags = (number > 0) + 2 * (not record["compress"]) + 4 * (revision > 0) + 8 * (size > 0)
    flags += 64 * (left > 0) + 128 * (after > 0)
    out = bytes([flags + 16 * CODECS[record["codec"]]])
    out += leb128(order.index(record["origin"])) + eight(record["epoch"])
    out += leb128(record["seqno"])
    out += (leb128(number) if number else b"") + (leb128(revision) if revision else b"")
    out += leb128(size * 2 + record["pull"]) if size else b""
    out += (leb128(left) if left else b"") + (leb128(after) if after else b"")
    out += leb128(record["hop"])
    out += runs(order.index(netid) for netid in record["distribution"])
    return out + _text(record["tag"]) + bytes.fromhex(record["payload"])


def _burst(record: dict[str, Any], order: Sequence[str]) -> bytes:
    bodies = [bytes.fromhex(one) for one in record["bodies"]]
    sizes = [len(one) for one in bodies]
    one_size = len(set(sizes)) == 1 and sizes[0] > 0
    flags = 2 * (not record["compress"]) + 4 * one_size
    out = bytes([flags + 16 * CODECS[record["codec"]]])
    out += _id(record, order) + leb128(record["number"]) + leb128(len(bodies))
    out += leb128(record["hop"])
    out += runs(order.index(netid) for netid in record["distribution"])
    out += _text(record["tag"])
    for size in sizes[:1] if one_size else sizes:
        out += size.to_bytes(2, "big")
    return out + b"".join(bodies)


def _other_ids(record: dict[str, Any], order: Sequence[str]) -> bytes:
    out = leb128(len(record["entries"]))
    for entry in record["entries"]:
        segment = entry["segment"]
        out += leb128(order.index(entry["netid"])) + bytes.fromhex(entry["life"])
        out += leb128(entry["age_ds"]) + bytes([entry["left"] + 2 * (segment is not None)])
        out += b"" if segment is None else leb128(order.index(segment))
    return out


def routing(records: Sequence[dict[str, Any]], sender: dict[str, Any] | None) -> bytes:
    """Table, sender and records."""
    netids = [netid for record in records for netid in netids_of(record)]
    if sender is not None:
        netids.append(sender["netid"])
    order = in_table_order(netids)
    out = table(netids)
    if sender is not None:
        out += leb128(order.index(sender["netid"])) + leb128(sender["channel"])
        out += leb128(sender["position"])
    for record in records:
        encoded = record_bytes(record, order)
        out += leb128(RECORD_TYPES[record["kind"]]) + leb128(len(encoded)) + encoded
    return out


def body(
    records: Sequence[dict[str, Any]], sender: dict[str, Any] | None, *, compressed: bool = False
) -> bytes:
    """A frame's body."""
    inner = routing(records, sender)
    flags = compressed + 2 * (sender is not None)
    if compressed:
        return bytes([flags]) + leb128(len(inner)) + lz4_block(inner)
    return bytes([flags]) + inner


def key_text(secret: bytes) -> str:
    """A key as people copy it."""
    checked = secret + hashlib.sha256(secret).digest()[:4]
    return "chatter1:" + base64.urlsafe_b64encode(checked).decode()


def key_hint(secret: bytes) -> int:
    """The byte by which a receiver finds the key."""
    return hashlib.sha256(b"hint" + secret).digest()[0]


def prk(secret: bytes, label: str) -> bytes:
    """What all subkeys of a key come from."""
    return hkdf_extract(b"chatter v1" + label.encode(), secret)


def subkey(secret: bytes, label: str, channel: str, context: bytes) -> bytes:
    """The key of one channel and context."""
    return hkdf_expand(prk(secret, label), bytes([CHANNELS[channel]]) + context, 32)


def frame(
    secret: bytes,
    label: str,
    channel: str,
    context: bytes,
    life: bytes,
    counter: int,
    inside: bytes,
) -> bytes:
    """A sealed frame around a body."""
    header = bytes([0xC1, key_hint(secret)]) + life + counter.to_bytes(6, "big")
    nonce = bytes([CHANNELS[channel], 0, 0, 0, 0, 0]) + counter.to_bytes(6, "big")
    key = subkey(secret, label, channel, context)
    return header + ocb_encrypt(key, nonce, header + label.encode(), inside)


def on_stream(sealed: bytes) -> bytes:
    """A frame behind its length."""
    return len(sealed).to_bytes(4, "big") + sealed
