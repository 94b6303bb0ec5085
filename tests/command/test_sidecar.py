"""Requests in, answers out, around a node that only records."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event

from chatter import Chatter, NetID, Peer, QueueFull, Receipt
from chatter.command import sidecar
from chatter.command.outlet import Outlet
from chatter.command.sidecar import Sidecar
from tests.command.descriptors import close
from tests.command.samples import FAR, THERE, make_outcome, make_peer, make_receipt

LONGEST_LINE_BYTES = 200


class RecordingNode:
    """The part of a node that the sidecar uses; keeps what it was asked to broadcast."""

    def __init__(self) -> None:
        self.broadcasts: list[tuple[str, Any, list[NetID] | None, str | None]] = []
        self.receipts: list[Receipt] = []
        self.timeouts: list[float | None] = []
        self.failure: Exception | None = None

    def broadcast(
        self,
        tag: str,
        body: Any,
        to: list[NetID] | None = None,
        *,
        confirm: bool = False,
        timeout: float | None = None,
        codec: str | None = None,
    ) -> Receipt:
        if self.failure is not None:
            raise self.failure
        self.broadcasts.append((tag, body, to, codec))
        receipt = make_receipt(len(self.broadcasts))
        if not confirm:
            assert timeout is None
            return Receipt(receipt.id, (THERE, FAR))
        self.receipts.append(receipt)
        self.timeouts.append(timeout)
        return receipt

    def peers(self) -> list[Peer]:
        return [make_peer(THERE)]

    def stats(self) -> dict[str, int]:
        return {"dispatched": 4}


class Bench:
    """A sidecar between a recording node and a pipe."""

    def __init__(self, writer: int) -> None:
        self.node = RecordingNode()
        self.leaving = Event()
        self.sidecar = Sidecar(cast(Chatter, self.node), Outlet(writer), LONGEST_LINE_BYTES)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    close(reader)
    close(writer)


@pytest.fixture
def bench(pipe: tuple[int, int]) -> Bench:
    return Bench(pipe[1])


def answers(pipe: tuple[int, int], bench: Bench, *chunks: bytes) -> list[dict[str, Any]]:
    bench.sidecar.serve(chunks, bench.leaving)
    assert bench.leaving.is_set()
    return written(pipe)


def written(pipe: tuple[int, int]) -> list[dict[str, Any]]:
    """What came out since the last look."""
    os.set_blocking(pipe[0], False)
    try:
        lines = os.read(pipe[0], 1_000_000).splitlines()
    except BlockingIOError:
        lines = []
    return [json.loads(line) for line in lines]


def confirmed(ref: int, **fields: Any) -> bytes:
    fields = {"tag": "t", "body": 1, "confirm": True} | fields
    return json.dumps({"broadcast": fields, "ref": ref}).encode() + b"\n"


def test_answers_come_in_input_order_with_their_refs(pipe: tuple[int, int], bench: Bench) -> None:
    found = answers(
        pipe,
        bench,
        b'{"stats":true,"ref":"a"}\n{"broadcast":{"tag":"t","bo',
        b'dy":[1]},"ref":2}\nbad\n{"peers":true}\n',
        b'{"broadcast":{"tag":"u","body_base64":"AP8=","to":["127.0.0.1:4002"]}}',
    )
    assert [event["event"] for event in found] == ["stats", "sent", "error", "peers", "sent"]
    assert found[0] == {"event": "stats", "counters": {"dispatched": 4}, "ref": "a"}
    assert found[1]["seqno"] == 1
    assert found[1]["ref"] == 2
    assert found[1]["time_ns"] > 0
    assert "input line 3" in found[2]["message"]
    assert found[3]["peers"][0]["address"] == str(THERE)
    assert "ref" not in found[3]
    assert bench.node.broadcasts == [
        ("t", [1], None, "json"),
        ("u", b"\x00\xff", [THERE], "bytes"),
    ]


def test_receipts_come_when_they_are_settled_and_hold_up_nothing(
    pipe: tuple[int, int], bench: Bench
) -> None:
    def requests() -> Iterator[bytes]:
        yield confirmed(1, timeout_s=0.5) + confirmed(2) + b'{"stats":true,"ref":3}\n'
        assert [event["event"] for event in written(pipe)] == ["sent", "sent", "stats"]
        bench.node.receipts[1].settle(make_outcome())
        gevent.sleep(0)
        gevent.sleep(0)
        [event] = written(pipe)
        assert (event["event"], event["seqno"], event["ref"]) == ("receipt", 2, 2)
        assert (event["delivered"], event["missing"]) == ([str(THERE)], [str(FAR)])
        bench.node.receipts[0].settle(make_outcome())

    bench.sidecar.serve(requests(), bench.leaving)
    [event] = written(pipe)
    assert (event["event"], event["seqno"], event["ref"]) == ("receipt", 1, 1)
    assert bench.node.timeouts == [0.5, 2.0]


def test_the_end_of_input_waits_for_open_receipts(pipe: tuple[int, int], bench: Bench) -> None:
    serving = gevent.spawn(bench.sidecar.serve, [confirmed(1)], bench.leaving)
    gevent.sleep(0)
    assert [event["event"] for event in written(pipe)] == ["sent"]
    assert not bench.leaving.is_set()
    bench.node.receipts[0].settle(make_outcome())
    serving.get(timeout=10)
    assert bench.leaving.is_set()
    assert [event["event"] for event in written(pipe)] == ["receipt"]


def test_leave_waits_for_none_but_each_gets_its_line(pipe: tuple[int, int], bench: Bench) -> None:
    found = answers(pipe, bench, confirmed(1) + b'{"leave":true}\n')
    assert [event["event"] for event in found] == ["sent"]
    bench.node.receipts[0].give_up()  # as the node does when it stops
    bench.sidecar.finish()
    [event] = written(pipe)
    assert (event["event"], event["missing"]) == ("receipt", [str(THERE), str(FAR)])


def test_more_open_receipts_than_allowed_are_refused(
    pipe: tuple[int, int], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecar, "MAX_OPEN_RECEIPTS", 2)
    lines = confirmed(1) + confirmed(2) + confirmed(3) + b'{"leave":true}\n'
    found = answers(pipe, bench, lines)
    assert [event["event"] for event in found] == ["sent", "sent", "error"]
    assert "2 receipts are open" in found[2]["message"]
    assert found[2]["ref"] == 3
    assert len(bench.node.broadcasts) == 2
    bench.node.receipts[0].give_up()
    bench.node.receipts[1].give_up()
    bench.sidecar.finish()


def test_a_giant_line_is_one_error_and_the_next_is_served(
    pipe: tuple[int, int], bench: Bench
) -> None:
    giant = [b'{"broadcast":{"tag":"t","body":"'] + [b"x" * 150] * 50
    found = answers(pipe, bench, *giant, b'"}}\n{"stats":true}\n')
    assert [event["event"] for event in found] == ["error", "stats"]
    assert f"longer than {LONGEST_LINE_BYTES} bytes" in found[0]["message"]
    assert bench.node.broadcasts == []


def test_leave_ends_it_and_what_follows_is_not_read(pipe: tuple[int, int], bench: Bench) -> None:
    def input_that_goes_on() -> Iterator[bytes]:
        yield b'{"leave":true,"ref":1}\n{"broadcast":{"tag":"t","body":1}}\n'
        pytest.fail("read on after leave")

    bench.sidecar.serve(input_that_goes_on(), bench.leaving)
    assert bench.leaving.is_set()
    assert bench.node.broadcasts == []


@pytest.mark.parametrize(
    ("failure", "words"),
    [(QueueFull("our queue is full"), "our queue is full"), (KeyError("odd"), "internal error")],
)
def test_what_fails_is_an_error_and_the_next_request_is_served(
    pipe: tuple[int, int], bench: Bench, failure: Exception, words: str
) -> None:
    bench.node.failure = failure
    found = answers(
        pipe, bench, b'{"broadcast":{"tag":"t","body":1},"ref":5}\n', b'{"stats":true}\n'
    )
    assert [event["event"] for event in found] == ["error", "stats"]
    assert words in found[0]["message"]
    assert found[0]["ref"] == 5


def test_a_flood_of_requests_leaves_room_for_other_greenlets(
    pipe: tuple[int, int], bench: Bench
) -> None:
    turns = 0

    def other() -> None:
        nonlocal turns
        while not bench.leaving.is_set():
            turns += 1
            gevent.sleep(0)

    others = gevent.spawn(other)
    assert len(answers(pipe, bench, b'{"stats":true}\n' * 320)) == 320
    others.join()
    assert turns >= 10


def test_closed_answers_end_it() -> None:
    reader, writer = os.pipe()
    close(reader)
    bench = Bench(writer)
    bench.sidecar.serve(
        [b'{"stats":true}\n', b'{"broadcast":{"tag":"t","body":1}}\n'], bench.leaving
    )
    assert bench.leaving.is_set()
    assert bench.node.broadcasts == []
    close(writer)
