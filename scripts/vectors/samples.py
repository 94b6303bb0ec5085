"""The values that the vectors encode: every record type, every flag, every edge of a number."""

from __future__ import annotations

from typing import Any

KEY_A = bytes(range(32))
KEY_B = bytes(range(255, 223, -1))

EPOCH_A = 0x0199_0000_0000_1234
EPOCH_B = 0x0199_0000_0001_ABCD
LIFE_A = EPOCH_A.to_bytes(8, "big") + bytes.fromhex("a0a1a2a3a4a5a6a7")
LIFE_B = EPOCH_B.to_bytes(8, "big") + bytes.fromhex("b0b1b2b3b4b5b6b7")
RANDOM_A = bytes.fromhex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf")
RANDOM_B = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")

A = "192.168.1.10:29999"
B = "192.168.1.11:29999"
NEIGHBOURS = [f"192.168.1.{last}:29999" for last in (10, 11, 12, 20)]
V6 = ["[2001:db8::1]:29999", "[2001:db8::2]:29999"]
GROUP = "224.1.1.1:29999"

VARINTS = [0, 1, 127, 128, 255, 16383, 16384, 2**32 - 1, 2**48, 2**63, 2**64 - 1]
ZIGZAGS = [0, -1, 1, -2, 29999, -29999, 65534, -65534]

TABLES: dict[str, list[str]] = {
    "empty": [],
    "one": [A],
    "neighbours": NEIGHBOURS,
    "three ports on one host": ["127.0.0.1:5001", "127.0.0.1:5000", "127.0.0.1:65535"],
    "hosts with two ports": ["10.0.0.1:7", "10.0.0.1:8", "10.0.0.2:7", "10.0.0.2:8"],
    "ends of the range": ["0.0.0.1:1", "255.255.255.255:65535"],
    "ipv6": V6,
    "ipv6, far apart": ["[::1]:1", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"],
    "both families": [*V6, *NEIGHBOURS],
}
# NetIDs that a body refers to, and the body.
PAYLOADS: list[tuple[list[str], str]] = [
    ([], b'{"text":"world"}'.hex()),
    (NEIGHBOURS, "00010203"),
    ([V6[1], B], ""),
]
INDEX_RUNS: dict[str, list[int]] = {
    "nobody": [],
    "the first": [0],
    "a whole segment": list(range(50)),
    "two runs": [1, 2, 3, 7, 8],
    "every other one": [0, 2, 4, 6],
    "behind a wide gap": [300],
}
RANGES: dict[str, list[list[int]]] = {
    "nothing": [],
    "from 0": [[0, 0]],
    "one number": [[7, 7]],
    "three ranges": [[3, 3], [5, 9], [300, 555]],
    "one left out each time": [[1, 1], [3, 3], [5, 5]],
    "all there are": [[0, 2**64 - 1]],
    "the ends": [[0, 0], [2**64 - 1, 2**64 - 1]],
}


def gossip(**changes: Any) -> dict[str, Any]:
    """A gossip that says hello, with these fields changed."""
    return {
        "kind": "gossip",
        "origin": A,
        "epoch": EPOCH_A,
        "seqno": 1,
        "tag": "hello",
        "codec": "json",
        "payload": (b"\0\0" + b'{"text":"world"}').hex(),
        "number": 0,
        "hop": 1,
        "distribution": [],
        "revision": 0,
        "compress": True,
        "confirm_ms": 0,
        "after": 0,
        "size": 0,
        "pull": False,
    } | changes


def burst(*bodies: bytes, **changes: Any) -> dict[str, Any]:
    """A burst of these bodies, with these fields changed."""
    return {
        "kind": "burst",
        "origin": A,
        "epoch": EPOCH_A,
        "seqno": 1,
        "number": 1,
        "tag": "hello",
        "codec": "json",
        "bodies": [one.hex() for one in bodies],
        "hop": 1,
        "distribution": [],
        "compress": True,
    } | changes


def hello(challenge: bytes | None, echo: bytes | None, **changes: Any) -> dict[str, Any]:
    """A hello with these fields changed."""
    return {
        "kind": "hello",
        "challenge": None if challenge is None else challenge.hex(),
        "echo": None if echo is None else echo.hex(),
        "counter": 0,
        "known_epoch": 0,
        "buffer": 212992,
        "since": 0,
    } | changes


def _entry(netid: str, life: bytes, age_ds: int, left: bool, segment: str | None) -> dict[str, Any]:
    return {"netid": netid, "life": life.hex(), "age_ds": age_ds, "left": left, "segment": segment}


def _id(origin: str, epoch: int, seqno: int) -> dict[str, Any]:
    return {"origin": origin, "epoch": epoch, "seqno": seqno}


def _trace(broadcast: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A broadcast that came straight from its origin by TCP, with these fields changed."""
    came = {
        "hop": 1,
        "sender": broadcast["origin"],
        "multicast": False,
        "at_us": 0,
        "tag": "hello",
        "size": 18,
        "recipients": 0,
    }
    return broadcast | came | changes


SEEN = {
    "kind": "seen ids",
    "heard": [{"channel": 0, "netids": NEIGHBOURS[1:]}, {"channel": 3, "netids": [B]}],
    "complete": True,
}
FIGURES: dict[str, Any] = {
    "kind": "figures",
    "question": 7,
    "version": 301,
    "part": 0,
    "parts": 1,
    "uptime_us": 3600000001,
    "package": "0.1.0",
    "counters": [["broadcasts", 300], ["frames_sent", 5]],
    "tags": [["hello", 12]],
}
RECORDS: dict[str, dict[str, Any]] = {
    "hello that asks": hello(RANDOM_A, None),
    "hello that echoes": hello(None, RANDOM_A, counter=2**40, known_epoch=EPOCH_A, since=500),
    "hello that does both": hello(RANDOM_B, RANDOM_A, counter=300, known_epoch=2**64 - 1 - 2**16),
    "hello that only tells": hello(None, None, buffer=0),
    "gossip to everyone": gossip(number=1),
    "gossip to some": gossip(distribution=NEIGHBOURS[1:]),
    "gossip not to compress": gossip(number=200, compress=False),
    "gossip revised": gossip(distribution=[B], revision=129, hop=5),
    "gossip with every flag": gossip(
        number=2**64 - 1, compress=False, revision=1, codec="own", hop=64, seqno=2**64 - 1
    ),
    "gossip confirmed": gossip(distribution=[B], confirm_ms=2000, after=300),
    "gossip of a large payload": gossip(number=2, payload="", size=2**20),
    "gossip to ask chunks of": gossip(distribution=[B], payload="", size=2**32, pull=True),
    "gossip to some with every flag": gossip(
        distribution=NEIGHBOURS,
        compress=False,
        revision=2,
        codec="bytes",
        payload="",
        size=49153,
        pull=True,
        confirm_ms=2**32 - 1,
        after=2**64 - 1,
    ),
    "gossip of bytes": gossip(codec="bytes", payload="0000ff00", number=7, seqno=9),
    "gossip of its own codec": gossip(
        codec="own", payload="0000" + "0203800a", distribution=[A, *V6], origin=V6[0]
    ),
    "gossip with a tag beyond ASCII": gossip(tag="größe/→", number=3, payload="0000"),
    "beacon": {"kind": "beacon", "segment": A},
    "seen ids": SEEN,
    "seen ids, a slice": SEEN | {"complete": False, "heard": [SEEN["heard"][1]]},  # type: ignore[index]
    "seen ids of nobody": {"kind": "seen ids", "heard": [], "complete": True},
    "other ids": {
        "kind": "other ids",
        "entries": [
            _entry(B, LIFE_B, 12, False, A),
            _entry(V6[0], LIFE_A, 36000, True, None),
            _entry(NEIGHBOURS[3], LIFE_A, 0, True, V6[1]),
        ],
    },
    "probe": {
        "kind": "probe",
        "ids": [_id(A, EPOCH_A, 1), _id(B, EPOCH_B, 300)],
        "answer": False,
    },
    "probe that waits": {"kind": "probe", "ids": [_id(A, EPOCH_A, 1)], "answer": True},
    "want": {"kind": "want", "ids": [_id(V6[1], 2**64 - 1, 2**64 - 1)]},
    "leave": {"kind": "leave"},
    "highest": {
        "kind": "highest",
        "entries": [
            {"origin": A, "epoch": EPOCH_A, "number": 300},
            {"origin": B, "epoch": EPOCH_B, "number": 1},
        ],
    },
    "highest of nobody": {"kind": "highest", "entries": []},
    "want numbers": {
        "kind": "want numbers",
        "origin": A,
        "epoch": EPOCH_A,
        "ranges": RANGES["three ranges"],
    },
    "chunk": _id(A, EPOCH_A, 2)
    | {"kind": "chunk", "offset": 1300, "data": b"0123456789".hex(), "compress": True},
    "chunk not to compress": _id(V6[0], EPOCH_B, 2**64 - 1)
    | {"kind": "chunk", "offset": 2**32 - 1, "data": "00", "compress": False},
    "want chunks": _id(A, EPOCH_A, 2)
    | {"kind": "want chunks", "ranges": [[0, 1299], [2600, 2**20 - 1]]},
    "want chunks up to the end": _id(B, EPOCH_B, 1)
    | {"kind": "want chunks", "ranges": [[2**32 - 1, 2**32 - 1]]},
    "ack": {"kind": "ack", "taken": 12, "done": [[1, 9], [12, 12]]},
    "ack of nothing done": {"kind": "ack", "taken": 2**64 - 1, "done": []},
    "report": {
        "kind": "report",
        "index": 3,
        "groups": [
            {
                "server": NEIGHBOURS[0],
                "hop": 2,
                "multicast": True,
                "recipients": NEIGHBOURS[1:],
                "ms": [1, 0, 130],
            },
            {
                "server": NEIGHBOURS[3],
                "hop": 64,
                "multicast": False,
                "recipients": [V6[0]],
                "ms": [2**32 - 1],
            },
        ],
    },
    "report of nobody": {"kind": "report", "index": 2**64 - 1, "groups": []},
    "took": {"kind": "took", "ids": [_id(A, EPOCH_A, 1), _id(A, EPOCH_A, 300)]},
    "credit": {
        "kind": "credit",
        "entries": [
            {"sender": A, "channel": 0, "limit": 106496},
            {"sender": A, "channel": 1, "limit": 2**64 - 1},
            {"sender": V6[1], "channel": 200, "limit": 0},
        ],
    },
    "session credit": {"kind": "session credit", "limit": 1048576},
    "watch": {"kind": "watch", "question": 7, "known": 300, "thin": 5},
    "watch for the first time": {"kind": "watch", "question": 1, "known": 0, "thin": 0},
    "watch at the ends": {
        "kind": "watch",
        "question": 2**64 - 1,
        "known": 2**64 - 1,
        "thin": 32,
    },
    "figures": FIGURES,
    "figures of nothing new": FIGURES
    | {"uptime_us": 0, "package": "", "counters": [], "tags": [], "question": 0},
    "figures, the last part": FIGURES
    | {
        "question": 2**64 - 1,
        "version": 2**64 - 1,
        "part": 255,
        "parts": 256,
        "uptime_us": 2**48 - 1,
        "package": "1" * 255,
        "counters": [["größe/→", 0], ["x" * 255, 2**64 - 1]],
        "tags": [["größe/→", 2**64 - 1]],
    },
    "traces": {
        "kind": "traces",
        "entries": [
            _trace(_id(A, EPOCH_A, 1), hop=0, at_us=250000, recipients=300),
            _trace(_id(B, EPOCH_B, 300), at_us=20),
            _trace(_id(B, EPOCH_B, 301), hop=2, sender=V6[0], multicast=True, size=0),
        ],
    },
    "traces of nothing": {"kind": "traces", "entries": []},
    "traces at the ends": {
        "kind": "traces",
        "entries": [
            _trace(
                _id(V6[1], 2**64 - 1, 2**64 - 1),
                hop=hop,
                at_us=2**48 - 1,
                tag="x" * 255,
                size=2**32,
                recipients=0 if hop else 2**64 - 1,
            )
            for hop in (0, 64)
        ],
    },
    "result": _id(A, EPOCH_A, 2)
    | {
        "kind": "result",
        "at_us": 250000,
        "tag": "hello",
        "size": 18,
        "recipients": 4,
        "missing": [B],
        "groups": [
            {
                "server": A,
                "hop": 1,
                "multicast": True,
                "recipients": NEIGHBOURS[2:],
                "ms": [1, 130],
            },
            {
                "server": NEIGHBOURS[2],
                "hop": 2,
                "multicast": False,
                "recipients": [V6[0]],
                "ms": [2**32 - 1],
            },
        ],
    },
    "result of nobody": _id(V6[1], 2**64 - 1, 2**64 - 1)
    | {
        "kind": "result",
        "at_us": 2**48 - 1,
        "tag": "größe/→",
        "size": 2**32,
        "recipients": 2**64 - 1,
        "missing": [],
        "groups": [],
    },
    "burst of one size": burst(b"21.5", b"21.7", b"22.0", seqno=7, number=5),
    "burst of different sizes": burst(
        b'{"t":9}', b"", b'{"t":10}', seqno=300, number=200, distribution=NEIGHBOURS[1:]
    ),
    "burst not to compress": burst(b"0", b"1", compress=False),
    "burst of bytes": burst(b"\0\xff", b"\xff\0", codec="bytes", hop=64),
    "burst of its own codec": burst(b"\2\3", b"\x80", codec="own", hop=2, distribution=[B]),
    "burst of nothing": burst(b"", b""),
    "burst with big numbers": burst(
        b"x", b"yy", epoch=2**64 - 1, seqno=2**64 - 3, number=2**64 - 4, tag="größe/→"
    ),
    "burst of many": burst(*(bytes([one]) for one in range(130)), codec="bytes"),
    "burst of a long one and a short one": burst(b"0123456789" * 30, b"0"),
    "burst of IPv6": burst(
        b"1", b"2", origin=V6[0], distribution=[A, V6[1]], codec="own", compress=False
    ),
}

BODIES: dict[str, tuple[list[dict[str, Any]], dict[str, Any] | None, bool]] = {
    "nothing": ([], None, False),
    "one record": ([RECORDS["gossip to some"]], None, False),
    "one record and its sender": (
        [RECORDS["gossip to everyone"]],
        {"netid": A, "channel": 0, "position": 0},
        False,
    ),
    "a beacon with its records": (
        [RECORDS["beacon"], SEEN],
        {"netid": NEIGHBOURS[2], "channel": 200, "position": 2**64 - 1},
        False,
    ),
    "a beacon that tells of others": (
        [RECORDS["beacon"], SEEN, RECORDS["other ids"]],
        {"netid": NEIGHBOURS[0], "channel": 0, "position": 0},
        True,
    ),
    "chunks behind their header": (
        [
            RECORDS["gossip of a large payload"],
            RECORDS["chunk"] | {"offset": 0},
            RECORDS["chunk"] | {"offset": 10, "compress": False},
        ],
        {"netid": A, "channel": 1, "position": 2196},
        False,
    ),
    "a burst behind a gossip": (
        [RECORDS["gossip not to compress"], RECORDS["burst of different sizes"]],
        {"netid": A, "channel": 0, "position": 1000},
        False,
    ),
    "a burst, compressed": (
        [burst(*[b"0123456789"] * 40, number=4), RECORDS["leave"]],
        {"netid": A, "channel": 0, "position": 2000},
        True,
    ),
    "compressed": (
        [gossip(payload="0000" + b"0123456789".hex() * 30, number=4), RECORDS["leave"]],
        None,
        True,
    ),
    "compressed, with its sender": (
        [gossip(payload="0000" + "61" * 1000, distribution=NEIGHBOURS, hop=2)],
        {"netid": V6[0], "channel": 1, "position": 0},
        True,
    ),
}
