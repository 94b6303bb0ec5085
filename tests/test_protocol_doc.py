"""docs/protocol.md against the vectors and the code: a page that says something else is red."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from chatter import config, ids
from chatter.core import contact, watched
from chatter.ids import BroadcastID, NetID
from chatter.wire import frame, gossip, idtable, records, replay, seal, watching
from chatter.wire.frame import Sender, encode_body
from chatter.wire.gossip import Gossip

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
VECTORS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in (ROOT / "tests" / "vectors").glob("*.json")
}
EXAMPLES = re.findall(r"^```hex ([^\n]+)\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE)


def vector(path: str) -> str:
    """The hex at `file/section/name`, or `.../field` for another field; a number counts from 0."""
    file, section, which, *field = path.split("/")
    entries: list[dict[str, Any]] = VECTORS[file][section]
    if which.isdigit():
        entry = entries[int(which)]
    else:
        entry = next(one for one in entries if one["name"] == which)
    return str(entry[field[0] if field else "hex"])


def table_under(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = DOCUMENT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    first = section.splitlines().index(rows[0])
    lines = section.splitlines()[first:]
    until = next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:until]]


@pytest.mark.parametrize(("path", "block"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_an_example_is_its_vector(path: str, block: str) -> None:
    shown = "".join(line.split("#", 1)[0] for line in block.splitlines())

    assert "".join(shown.split()) == vector(path)


def test_each_part_of_the_format_has_an_example() -> None:
    shown = {path.split("/")[0] for path, _ in EXAMPLES}

    assert {"tables", "records", "bodies", "keys", "frames"} <= shown
    # A block without a name is compared with nothing.
    assert DOCUMENT.count("```") == 2 * len(EXAMPLES)


def test_the_table_of_records_is_that_of_the_code() -> None:
    rows = {int(row[0]): row[1] for row in table_under("Records")}
    named = {one["type"]: one["record"]["kind"] for one in VECTORS["records"]["record"]}
    kinds = {
        number: re.sub(r"(?<!^)([A-Z])", r" \1", kind.__name__).lower()
        for number, kind in enumerate(records._TYPES, 1)
    }

    assert rows == named == kinds


def test_the_table_of_channels_is_that_of_the_code() -> None:
    rows = {int(row[0]): row[1] for row in table_under("Keys")}

    assert rows == {one.value: one.name.lower().replace("_", " ") for one in seal.Channel}


def test_the_table_of_the_frame_adds_up() -> None:
    sizes = [row[0] for row in table_under("Frame")]

    assert sum(int(size) for size in sizes if size != "n") == seal.OVERHEAD_BYTES
    assert f"`{seal.MAGIC:02x}`" in table_under("Frame")[0][1]
    assert int(sizes[2]) == ids.LIFE_BYTES
    assert int(sizes[3]) == seal.COUNTER_BYTES


def test_codecs_are_numbered_as_in_the_code() -> None:
    flags = table_under("Gossip")[0][1]

    for number, codec in enumerate(gossip.CODECS):
        assert f"{number} {codec}" in flags


def test_limits_are_those_of_the_code() -> None:
    rows = table_under("Limits")
    modules = (frame, gossip, idtable, seal, config)
    found = {}
    for name, *_ in rows:
        values = {vars(module)[name.strip("`")] for module in modules if name[1:-1] in vars(module)}
        assert len(values) == 1, name
        found[name] = values.pop()

    assert {name: int(value) for name, value, _ in rows} == found


def test_the_replay_window_is_that_of_the_code() -> None:
    assert f"the last {replay.USABLE_WINDOW:,} counters" in DOCUMENT
    assert f"{contact.CHALLENGES_PER_S} a second" in DOCUMENT
    assert f"`{records.LAST_EPOCH_TO_FOLLOW:016x}`" in DOCUMENT


def test_what_is_said_of_watching_is_that_of_the_code() -> None:
    rows = {int(row[0]): row[2] for row in table_under("Records")}

    assert f"at most {watching.MAX_THIN})" in rows[18]
    assert f"at most {watching.MAX_PARTS})" in rows[19]
    assert f"{watching.CLOCK_BITS} bits" in rows[19]
    assert f"{watching.CLOCK_BITS} bits" in rows[20]
    assert f"only for {watched.WATCHED_FOR_S:.0f} s after a" in DOCUMENT
    assert f"1 to {watching.MAX_TEXT_BYTES} bytes" in DOCUMENT


def test_the_hash_of_a_broadcast_is_that_of_the_code() -> None:
    said = re.search(r"\(epoch XOR seqno \* 0x([0-9a-f]+)\) mod 2\^64", DOCUMENT)
    assert said is not None
    rng = random.Random(1)
    for _ in range(1000):
        epoch, seqno = rng.getrandbits(64), rng.getrandbits(rng.randint(1, 64))
        upper = (epoch ^ seqno * int(said[1], 16)) % 2**64 // 2**32
        zeros = next((bit for bit in range(32) if upper >> bit & 1), 32)
        broadcast = BroadcastID(NetID("10.0.0.1", 1), epoch, seqno)

        chosen = [thin for thin in range(33) if watched.chosen(broadcast, thin)]
        assert chosen == list(range(zeros + 1))


def test_the_first_key_is_the_one_in_the_text() -> None:
    key = VECTORS["keys"]["key"][0]

    assert f"`{key['text']}`; its hint is `{key['hint']:02x}`" in DOCUMENT
    assert f"`{VECTORS['frames']['frame'][0]['body']}`" in DOCUMENT


def overhead(recipients: int, *, to_everyone: bool = False, compress: bool = False) -> int:
    """Bytes of a multicast frame besides its payload."""
    netids = [NetID(f"192.168.{1 + at // 250}.{1 + at % 250}", 29999) for at in range(251)]
    payload = random.Random(1).randbytes(1024)
    named = () if to_everyone else tuple(netids[1 : recipients + 1])
    one = Gossip(
        BroadcastID(netids[0], 1 << 60, 100),
        "hello",
        "bytes",
        payload,
        number=7 if to_everyone else 0,
        distribution=named,
        compress=compress,
    )
    return len(encode_body([one], Sender(netids[0], 0))) + seal.OVERHEAD_BYTES - len(payload)


def test_what_addressing_costs() -> None:
    for recipients, total, each in table_under("What addressing costs"):
        assert overhead(int(recipients)) == int(total)
        assert f"{int(total) / int(recipients):.2f}" == each
    assert f"To everyone it is {overhead(250, to_everyone=True)} bytes" in DOCUMENT


@pytest.mark.parametrize(("recipients", "bytes_said"), [(50, 87), (250, 90)])
def test_a_list_shrinks_where_the_payload_cannot(recipients: int, bytes_said: int) -> None:
    """LZ4 may choose otherwise in another version: what matters is about how much is saved."""
    assert f"{bytes_said}{' bytes' if recipients == 50 else ''} for {recipients}" in DOCUMENT
    assert abs(overhead(recipients, compress=True) - bytes_said) <= 8
