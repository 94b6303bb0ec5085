"""Writes the vectors, or says which files are not what it would write.

Usage: scripts/make_vectors [--check] [FOLDER]
    FOLDER     where to write; tests/vectors unless given
    --check    write nothing; exit 1 if a file differs
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scripts.vectors import published, samples
from scripts.vectors.layout import (
    CHANNELS,
    RECORD_TYPES,
    address,
    body,
    frame,
    in_table_order,
    key_hint,
    key_text,
    netids_of,
    on_stream,
    prk,
    ranges,
    record_bytes,
    runs,
    subkey,
    table,
)
from scripts.vectors.primitives import leb128, zigzag
from scripts.vectors.samples import KEY_A, KEY_B, LIFE_A, LIFE_B, RANDOM_A, RANDOM_B

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "vectors"


def numbers() -> dict[str, Any]:
    """Varints and zigzag."""
    return {
        "varint": [{"value": one, "hex": leb128(one).hex()} for one in samples.VARINTS],
        "zigzag": [{"value": one, "unsigned": zigzag(one)} for one in samples.ZIGZAGS],
    }


def tables() -> dict[str, Any]:
    """NetID tables, lists of indices, ranges of numbers."""
    return {
        "table": [
            {"name": name, "netids": in_table_order(netids), "hex": table(netids).hex()}
            for name, netids in samples.TABLES.items()
        ],
        "runs": [
            {"name": name, "indices": indices, "hex": runs(indices).hex()}
            for name, indices in samples.INDEX_RUNS.items()
        ],
        "ranges": [
            {"name": name, "ranges": given, "hex": ranges(given).hex()}
            for name, given in samples.RANGES.items()
        ],
        "payload": [
            {"netids": in_table_order(netids), "body": inner, "hex": table(netids).hex() + inner}
            for netids, inner in samples.PAYLOADS
        ],
    }


def records() -> dict[str, Any]:
    """Each record in a table of what it needs and one NetID before it."""
    made = []
    for name, record in samples.RECORDS.items():
        order = in_table_order(["10.0.0.1:1", *netids_of(record)])
        made.append(
            {
                "name": name,
                "record": record,
                "table": order,
                "type": RECORD_TYPES[record["kind"]],
                "hex": record_bytes(record, order).hex(),
            }
        )
    return {"record": made}


def bodies() -> dict[str, Any]:
    """Whole bodies. One that is compressed has more than one right encoding."""
    return {
        "body": [
            {
                "name": name,
                "sender": sender,
                "records": list_of_records,
                "compressed": compressed,
                "hex": body(list_of_records, sender, compressed=compressed).hex(),
            }
            for name, (list_of_records, sender, compressed) in samples.BODIES.items()
        ]
    }


def keys() -> dict[str, Any]:
    """Key texts, hints and what is derived from a key for each label."""
    return {
        "key": [
            {
                "secret": secret.hex(),
                "text": key_text(secret),
                "hint": key_hint(secret),
                "label": label,
                "prk": prk(secret, label).hex(),
            }
            for secret in (KEY_A, KEY_B)
            for label in ("", "blue")
        ]
    }


def contexts() -> dict[str, tuple[str, bytes]]:
    """A channel and context for each way in which A's frames reach somebody."""
    packed, port = address(samples.GROUP)
    group = packed + port.to_bytes(2, "big")
    group6 = address("[ff02::1234]:29999")[0] + (29999).to_bytes(2, "big")
    return {
        "multicast": ("multicast", LIFE_A + group),
        "multicast, IPv6": ("multicast", LIFE_A + group6),
        "udp": ("udp", LIFE_A + LIFE_B),
        "tcp hello": ("tcp hello", LIFE_A),
        "tcp": ("tcp", LIFE_A + LIFE_B + RANDOM_A + RANDOM_B),
    }


def frames() -> dict[str, Any]:
    """A frame of every channel and label, and first contact over TCP and UDP."""
    inside = body([samples.RECORDS["leave"]], {"netid": samples.A, "channel": 0, "position": 0})
    made = []
    for name, (channel, context) in contexts().items():
        for label in ("", "blue"):
            made.append(
                {
                    "name": f"{name}{', label blue' if label else ''}",
                    "secret": KEY_A.hex(),
                    "label": label,
                    "channel": CHANNELS[channel],
                    "context": context.hex(),
                    "subkey": subkey(KEY_A, label, channel, context).hex(),
                    "life": LIFE_A.hex(),
                    "counter": 0x0102030405,
                    "body": inside.hex(),
                    "hex": frame(
                        KEY_A, label, channel, context, LIFE_A, 0x0102030405, inside
                    ).hex(),
                }
            )
    return {"frame": made, "tcp": tcp_exchange(), "udp": udp_exchange()}


def tcp_exchange() -> list[dict[str, Any]]:
    """A calls B; each says hello, then leaves."""
    there = LIFE_A + LIFE_B + RANDOM_A + RANDOM_B
    back = LIFE_B + LIFE_A + RANDOM_A + RANDOM_B
    leave = samples.RECORDS["leave"]
    steps = [
        ("client", "tcp hello", LIFE_A, LIFE_A, samples.A, samples.hello(RANDOM_A, None)),
        ("server", "tcp hello", LIFE_B, LIFE_B, samples.B, samples.hello(RANDOM_B, RANDOM_A)),
        ("client", "tcp", there, LIFE_A, None, leave),
        ("server", "tcp", back, LIFE_B, None, leave),
    ]
    made = []
    for side, channel, context, life, sender, record in steps:
        who = None if sender is None else {"netid": sender, "channel": 0, "position": 0}
        sealed = frame(KEY_A, "", channel, context, life, 1, body([record], who))
        made.append({"from": side, "record": record, "hex": on_stream(sealed).hex()})
    return made


def udp_exchange() -> list[dict[str, Any]]:
    """B heard a multicast of A and asks; A echoes and asks in turn; B echoes."""
    steps = [
        (LIFE_B, LIFE_A, samples.B, 5, samples.hello(RANDOM_B, None, counter=4)),
        (LIFE_A, LIFE_B, samples.A, 8, samples.hello(RANDOM_A, RANDOM_B, counter=7)),
        (LIFE_B, LIFE_A, samples.B, 6, samples.hello(None, RANDOM_A, counter=5)),
    ]
    made = []
    for life, receiver, sender, counter, record in steps:
        inside = body([record], {"netid": sender, "channel": 0, "position": 0})
        sealed = frame(KEY_A, "", "udp", life + receiver, life, counter, inside)
        made.append(
            {
                "life": life.hex(),
                "receiver": receiver.hex(),
                "sender": sender,
                "counter": counter,
                "record": record,
                "hex": sealed.hex(),
            }
        )
    return made


FILES = {
    "published.json": published.vectors,
    "numbers.json": numbers,
    "tables.json": tables,
    "records.json": records,
    "bodies.json": bodies,
    "keys.json": keys,
    "frames.json": frames,
}


def main(arguments: list[str]) -> int:
    """The exit status."""
    if any(one in ("-h", "--help") for one in arguments):
        print(__doc__.strip())
        return 0
    only_check = "--check" in arguments
    given = [one for one in arguments if one != "--check"]
    if len(given) > 1 or any(one.startswith("-") for one in given):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    folder = Path(given[0]) if given else FOLDER
    published.check()
    stale = []
    for name, make in FILES.items():
        text = json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
        path = folder / name
        if only_check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"not what scripts/make_vectors writes: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
