"""The bytes of the format, both ways, against vectors that another implementation made."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatter.core.session import Session
from chatter.ids import NetID
from chatter.keys import format_key, parse_key
from chatter.wire import aead
from chatter.wire.cursor import Cursor
from chatter.wire.frame import decode_body, encode_body, frame_on_stream
from chatter.wire.gossip import encode_payload, split_payload
from chatter.wire.idtable import decode_indices, decode_table, encode_indices, encode_table
from chatter.wire.ranges import decode_ranges, encode_ranges
from chatter.wire.records import Hello, decode_record, type_of
from chatter.wire.seal import (
    Channel,
    Header,
    KeyRing,
    Nonce,
    Opener,
    Sealer,
    multicast_context,
    open_frame,
    read_header,
    tcp_context,
    udp_context,
)
from chatter.wire.varint import decode_varint, encode_varint, unzigzag, zigzag
from tests.wire.backends import BACKENDS
from tests.wire.samples import (
    VECTORS,
    name_of,
    netids,
    ranges_from,
    record_from,
    sender_from,
    vectors,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True, params=BACKENDS, ids=lambda backend: backend.__name__)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test here runs on every cryptographic library that chatter can use."""
    monkeypatch.setattr(aead, "best", request.param)


def test_the_vectors_are_what_the_script_writes() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "scripts.vectors.make", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (run.returncode, run.stderr) == (0, "")


def test_the_script_notices_a_changed_vector(tmp_path: Path) -> None:
    for file in VECTORS.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b'"c1', b'"c2', 1))

    run = subprocess.run(
        [sys.executable, "-m", "scripts.vectors.make", "--check", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert run.returncode == 1
    assert "frames.json" in run.stderr


def test_the_script_does_not_import_the_package() -> None:
    """Else it would repeat our errors instead of finding them."""
    files = list((ROOT / "scripts" / "vectors").glob("*.py"))
    imported = {
        name
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [one.name for one in node.names]
        )
    }

    assert "scripts.vectors" in imported
    assert [name for name in imported if name.split(".")[0] in ("chatter", "lz4")] == []


@pytest.mark.parametrize(
    "vector", vectors("numbers.json", "varint") + vectors("published.json", "leb128")
)
def test_varint(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])

    assert encode_varint(vector["value"]) == data
    assert decode_varint(data, 0) == (vector["value"], len(data))


@pytest.mark.parametrize("vector", vectors("numbers.json", "zigzag"))
def test_zigzag(vector: dict[str, Any]) -> None:
    assert zigzag(vector["value"]) == vector["unsigned"]
    assert unzigzag(vector["unsigned"]) == vector["value"]


@pytest.mark.parametrize("vector", vectors("tables.json", "table"), ids=name_of)
def test_table(vector: dict[str, Any]) -> None:
    named = netids(vector["netids"])
    data = bytes.fromhex(vector["hex"])

    assert encode_table(reversed(named)) == (data, {one: at for at, one in enumerate(named)})
    cursor = Cursor(data)
    assert decode_table(cursor) == named
    assert cursor.remaining == 0


@pytest.mark.parametrize("vector", vectors("tables.json", "runs"), ids=name_of)
def test_index_runs(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    table = [NetID("10.0.0.1", port) for port in range(1, 400)]

    assert encode_indices(reversed(vector["indices"])) == data
    cursor = Cursor(data)
    assert decode_indices(cursor, table) == tuple(table[at] for at in vector["indices"])
    assert cursor.remaining == 0


@pytest.mark.parametrize("vector", vectors("tables.json", "ranges"), ids=name_of)
def test_ranges(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    ranges = ranges_from(vector["ranges"])

    assert encode_ranges(ranges) == data
    cursor = Cursor(data)
    assert decode_ranges(cursor) == ranges
    assert cursor.remaining == 0


@pytest.mark.parametrize("vector", vectors("tables.json", "payload"))
def test_payload(vector: dict[str, Any]) -> None:
    named, body = netids(vector["netids"]), bytes.fromhex(vector["body"])
    payload = bytes.fromhex(vector["hex"])

    assert encode_payload(named, body) == payload
    assert split_payload(payload) == (dict(enumerate(named)), body)


@pytest.mark.parametrize("vector", vectors("records.json", "record"), ids=name_of)
def test_record(vector: dict[str, Any]) -> None:
    record = record_from(vector["record"])
    table = netids(vector["table"])
    data = bytes.fromhex(vector["hex"])

    assert type_of(record) == vector["type"]
    assert record.encode({one: at for at, one in enumerate(table)}) == data
    assert decode_record(vector["type"], data, table) == record


def test_every_record_type_has_a_vector() -> None:
    numbers = {vector["type"] for vector in vectors("records.json", "record")}

    assert numbers == {one for one in range(256) if _is_known(one)}


def _is_known(number: int) -> bool:
    try:
        return decode_record(number, b"", ()) is not None
    except Exception:
        return True  # it was taken for a record, and an empty one is none of most types


@pytest.mark.parametrize("vector", vectors("bodies.json", "body"), ids=name_of)
def test_body(vector: dict[str, Any]) -> None:
    records = [record_from(one) for one in vector["records"]]
    sender = sender_from(vector["sender"])
    data = bytes.fromhex(vector["hex"])

    assert decode_body(data)[:3] == (sender, records, 0)
    encoded = encode_body(records, sender)
    if vector["compressed"]:
        # LZ4 leaves the choice of matches to the encoder, so only the meaning is fixed.
        assert encoded[0] & 1
        assert decode_body(encoded)[:3] == (sender, records, 0)
    else:
        assert encoded == data


@pytest.mark.parametrize("vector", vectors("keys.json", "key"))
def test_key(vector: dict[str, Any]) -> None:
    secret = bytes.fromhex(vector["secret"])

    assert format_key(secret) == vector["text"]
    assert parse_key(vector["text"]) == secret
    assert KeyRing([secret], vector["label"]).hint == vector["hint"]


def _nonce(counter: int) -> Nonce:
    nonce = Nonce()
    nonce.value = counter - 1
    return nonce


@pytest.mark.parametrize("vector", vectors("frames.json", "frame"), ids=name_of)
def test_frame(vector: dict[str, Any]) -> None:
    ring = KeyRing([bytes.fromhex(vector["secret"])], vector["label"])
    channel = Channel(vector["channel"])
    context, life, key, body, frame = (
        bytes.fromhex(vector[name]) for name in ("context", "life", "subkey", "body", "hex")
    )

    assert ring.subkey(0, channel, context) == key
    assert Sealer(ring, channel, context, life, _nonce(vector["counter"])).seal(body) == frame
    assert read_header(frame) == Header(ring.hint, life, vector["counter"])
    assert Opener(key, channel, ring.label).open(frame) == body
    opened, opener = open_frame(ring, channel, context, ring.hint, frame)
    assert opened == body
    assert opener.open(frame) == body


def test_contexts() -> None:
    by_name = {
        one["name"]: bytes.fromhex(one["context"]) for one in vectors("frames.json", "frame")
    }
    hello = by_name["tcp hello"]
    receiver = by_name["udp"][16:]
    randoms = by_name["tcp"][32:]

    assert len(hello) == len(receiver) == 16
    assert multicast_context(hello, NetID("224.1.1.1", 29999)) == by_name["multicast"]
    assert multicast_context(hello, NetID("ff02::1234", 29999)) == by_name["multicast, IPv6"]
    assert udp_context(hello, receiver) == by_name["udp"]
    assert tcp_context(hello, receiver, randoms) == by_name["tcp"]


@pytest.mark.parametrize("vector", vectors("frames.json", "udp"))
def test_first_contact_by_datagram(vector: dict[str, Any]) -> None:
    ring = KeyRing([parse_key(vectors("keys.json", "key")[0]["text"])])
    life, receiver = bytes.fromhex(vector["life"]), bytes.fromhex(vector["receiver"])
    record = record_from(vector["record"])
    sender = sender_from({"netid": vector["sender"], "channel": 0, "position": 0})
    context = udp_context(life, receiver)
    sealer = Sealer(ring, Channel.UDP, context, life, _nonce(vector["counter"]))
    frame = bytes.fromhex(vector["hex"])

    assert sealer.seal(encode_body([record], sender)) == frame
    opened, _ = open_frame(ring, Channel.UDP, context, ring.hint, frame)
    assert decode_body(opened)[:3] == (sender, [record], 0)


def test_first_contact_by_tcp() -> None:
    """Both sides of a connection, byte for byte, as `core` plays them."""
    ring = KeyRing([parse_key(vectors("keys.json", "key")[0]["text"])])
    hello_a, hello_b, first_a, first_b = (
        bytes.fromhex(step["hex"]) for step in vectors("frames.json", "tcp")
    )
    steps = [record_from(step["record"]) for step in vectors("frames.json", "tcp")]
    asked, answered, leave, _ = steps
    assert isinstance(asked, Hello)
    assert isinstance(answered, Hello)
    life_a, life_b = hello_a[6:22], hello_b[6:22]
    a, b = NetID("192.168.1.10", 29999), NetID("192.168.1.11", 29999)

    def session(local: NetID, life: bytes, hello: Hello, *, client: bool) -> Session:
        sealer = Sealer(ring, Channel.TCP_HELLO, life, life, Nonce())
        return Session(ring, local, life, hello, sealer, client=client, known_epoch=lambda netid: 0)

    client = session(a, life_a, asked, client=True)
    server = session(b, life_b, answered._replace(echo=None), client=False)
    assert client.handshake_bytes() == hello_a
    assert server.receive(hello_a) == []
    assert server.handshake_bytes() == hello_b
    assert client.receive(hello_b) == []
    assert client.seal([leave]) == first_a
    assert server.seal([leave]) == first_b
    assert [body.records for body in server.receive(first_a)] == [[leave]]
    assert [body.records for body in client.receive(first_b)] == [[leave]]
    assert (client.netid, server.netid) == (b, a)


@pytest.mark.parametrize("vector", vectors("published.json", "ocb"))
def test_ocb_as_published(vector: dict[str, Any]) -> None:
    """RFC 7253 appendix A. The cipher is asked for a tag of 16 bytes, as in these."""
    key, nonce, associated, plain, sealed = (
        bytes.fromhex(vector[name]) for name in ("key", "nonce", "associated", "plain", "hex")
    )

    assert aead.best(key).seal(nonce, associated, plain) == sealed
    assert aead.best(key).open(nonce, associated, sealed) == plain


def test_ocb_with_a_key_of_256_bits_as_published() -> None:
    """RFC 7253 appendix A: 384 frames under one key, and one around all of them."""
    vector = json.loads((VECTORS / "published.json").read_text())["ocb_256_iterated"]
    key = bytes.fromhex(vector["key"])
    out = b""
    for i in range(128):
        some = bytes(i)
        for step, (associated, plain) in enumerate(((some, some), (b"", some), (some, b"")), 1):
            out += aead.best(key).seal((3 * i + step).to_bytes(12, "big"), associated, plain)

    assert aead.best(key).seal((385).to_bytes(12, "big"), out, b"").hex() == vector["hex"]


def test_a_frame_on_a_stream_stands_behind_its_length() -> None:
    vector = vectors("frames.json", "frame")[0]
    frame = bytes.fromhex(vector["hex"])

    assert frame_on_stream(frame) == len(frame).to_bytes(4, "big") + frame
