"""`chatter node` as a process: the sidecar's contract over real pipes and sockets."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from chatter.config import DEFAULT_MESSAGE_BYTES
from tests.command.descriptors import close, read_some
from tests.command.process import CHATTER, ROOT, Cluster, free_port


def test_two_nodes_meet_talk_and_part(cluster: Cluster) -> None:
    one = cluster.sidecar()
    two = cluster.sidecar()
    assert json.loads(one.lines[0]) == {"event": "ready", "address": one.address}
    joined = one.event("peer", address=two.address, state="alive")
    one.until_it_sees(two)
    two.until_it_sees(one)
    one.broadcast(tag="hello", body={"text": "wörld", "n": [1, None]})
    sent = one.event("sent")
    message = two.event("message")
    assert message.keys() == {
        *("event", "tag", "body", "origin", "epoch", "seqno", "sender", "via", "hops", "time_ns")
    }
    assert message["tag"] == "hello"
    assert message["body"] == {"text": "wörld", "n": [1, None]}
    assert message["origin"] == message["sender"] == one.address
    assert message["seqno"] == sent["seqno"]
    assert message["via"] in ("tcp", "multicast", "udp")
    assert message["hops"] == 1
    assert message["time_ns"] > sent["time_ns"]

    two.request(broadcast={"tag": "raw", "body_base64": "AP/+", "to": [one.address]}, ref="r")
    assert two.event("sent")["ref"] == "r"
    message = one.event("message")
    assert message["body_base64"] == "AP/+"
    assert "body" not in message
    assert message["epoch"] == joined["epoch"]

    two.request(leave=True)
    assert two.ended() == 0
    assert one.event("peer", address=two.address)["state"] == "left"


def test_peers_and_stats(cluster: Cluster) -> None:
    one, two = cluster.sidecar(), cluster.sidecar()
    one.until_it_sees(two)
    one.request(peers=True, ref=1)
    answer = one.event("peers", ref=1)
    [entry] = answer["peers"]
    assert entry.keys() == {"address", "state", "multicast", "epoch", "segment", "heard_s_ago"}
    assert entry["address"] == two.address
    assert entry["state"] == "alive"
    one.request(stats=True, ref=2)
    counters = one.event("stats", ref=2)["counters"]
    assert counters
    assert all(type(count) is int for count in counters.values())


def test_bad_lines_change_nothing_and_answers_keep_their_order(cluster: Cluster) -> None:
    node = cluster.sidecar()
    node.write(
        b'nonsense\n{"broadcast":{"tag":"t"},"ref":1}\n'
        b'{"broadcast":{"tag":"t","body":1,"timeout_s":0},"ref":2}\n'
        b'{"broadcast":{"tag":"t","body":1},"ref":3}\n{"peers":true,"ref":4}\n'
    )
    events = [node.event(), *(node.event(ref=number) for number in (1, 2, 3, 4))]
    assert [event["event"] for event in events] == ["error", "error", "error", "sent", "peers"]
    assert events[3]["seqno"] == 1


def test_a_giant_line_and_a_body_above_the_limit_are_errors(cluster: Cluster) -> None:
    node = cluster.sidecar()
    node.write(b'{"broadcast":{"tag":"t","body":"')
    for _ in range(2 * DEFAULT_MESSAGE_BYTES // 2**20 + 1):
        node.write(b"x" * 2**20)
    node.write(b'"}}\n{"stats":true,"ref":1}\n')
    assert "longer than" in node.event("error")["message"]
    node.event("stats", ref=1)
    # Within the limit of a line.
    node.request(broadcast={"tag": "t", "body": "x" * DEFAULT_MESSAGE_BYTES}, ref=2)
    assert "are allowed" in node.event("error", ref=2)["message"]
    node.broadcast(tag="t", body=1)
    assert node.event("sent")["seqno"] == 1


def test_a_confirmed_broadcast_gets_its_receipt(cluster: Cluster) -> None:
    one, two = cluster.sidecar(), cluster.sidecar()
    one.until_it_sees(two)
    two.until_it_sees(one)
    one.request(broadcast={"tag": "t", "body": 1, "confirm": True}, ref="r")
    sent = one.event("sent", ref="r")
    receipt = one.event("receipt")
    assert receipt.keys() == {
        *("event", "seqno", "delivered", "missing", "elapsed_ms", "edges", "ref")
    }
    assert (receipt["seqno"], receipt["ref"]) == (sent["seqno"], "r")
    assert (receipt["delivered"], receipt["missing"]) == ([two.address], [])
    assert 0 <= receipt["elapsed_ms"] < 2000
    [edge] = receipt["edges"]
    assert (edge["server"], edge["recipient"], edge["hop"]) == (one.address, two.address, 1)
    assert edge["via"] in ("tcp", "multicast")
    assert two.event("message")["body"] == 1


def test_a_receipt_names_who_is_missing(cluster: Cluster) -> None:
    one, two = cluster.sidecar(), cluster.sidecar()
    one.until_it_sees(two)
    absent = f"127.0.0.1:{free_port()}"
    one.request(
        broadcast={
            "tag": "t",
            "body": 1,
            "to": [two.address, absent],
            "confirm": True,
            "timeout_s": 0.5,
        }
    )
    receipt = one.event("receipt")
    assert (receipt["delivered"], receipt["missing"]) == ([two.address], [absent])


def test_one_confirmed_broadcast_by_a_pipe(cluster: Cluster) -> None:
    """The end of the input does not cut off the answer to the last line."""
    two = cluster.sidecar()
    one = cluster.sidecar()
    one.until_it_sees(two)
    one.request(broadcast={"tag": "t", "body": 1, "to": [two.address], "confirm": True})
    one.close_input()
    assert one.ended() == 0
    assert [json.loads(line)["event"] for line in one.lines].count("receipt") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_leave(cluster: Cluster, number: signal.Signals) -> None:
    one, two = cluster.sidecar(), cluster.sidecar()
    one.until_it_sees(two)
    two.process.send_signal(number)
    assert two.ended() == 0
    one.event("peer", address=two.address, state="left")
    assert b"Traceback" not in two.errors


def test_the_end_of_input_leaves_after_the_last_answer(cluster: Cluster) -> None:
    node = cluster.sidecar()
    node.write(b'{"stats":true,"ref":1}\n{"stats":true,"ref":2}')
    node.close_input()
    assert node.ended() == 0
    assert [json.loads(line).get("ref") for line in node.lines] == [None, 1, 2]


def test_input_from_a_file_and_from_nowhere(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "requests"
    path.write_bytes(b'{"stats":true}\n' * 100)
    for name, answers in ((path, 100), (Path("/dev/null"), 0)):
        with name.open("rb") as file:
            node = cluster.sidecar(stdin=file)
            assert node.ended() == 0
            assert len(node.lines) == 1 + answers


def test_a_closed_output_leaves_though_nothing_is_written(cluster: Cluster) -> None:
    reader, writer = os.pipe()
    node = cluster.start("node", "--json", stdout=writer)
    close(writer)
    read_some(reader)  # ready
    close(reader)
    assert node.ended() == 0
    assert b"Traceback" not in node.errors


def test_an_unread_output_stops_neither_the_node_nor_its_end(cluster: Cluster) -> None:
    reader, writer = os.pipe()
    deaf = cluster.start("node", "--json", stdout=writer)
    close(writer)
    ready = read_some(reader)
    deaf.address = json.loads(ready)["address"]
    speaker = cluster.sidecar()
    speaker.until_it_sees(deaf)
    for _ in range(100):  # far more than a pipe holds
        speaker.broadcast(tag="flood", body="x" * 10_000, to=[deaf.address])
        speaker.event("sent")
    # What it did before it was told to: still alive for others, still open to signals.
    speaker.until_it_sees(deaf)
    deaf.process.send_signal(signal.SIGTERM)
    assert deaf.ended() == 0
    speaker.event("peer", address=deaf.address, state="left")
    lines = b""
    while chunk := read_some(reader):
        lines += chunk
    close(reader)
    # Each line but the one it was stopped in is whole.
    whole = [json.loads(line) for line in lines.split(b"\n")[:-1]]
    assert {event["event"] for event in whole} <= {"peer", "message"}
    assert any(event["event"] == "message" for event in whole)


def test_an_output_read_late_gets_its_answers_between_the_messages(cluster: Cluster) -> None:
    reader, writer = os.pipe()
    slow = cluster.start("node", "--json", stdout=writer)
    close(writer)
    slow.address = json.loads(read_some(reader))["address"]
    speaker = cluster.sidecar()
    speaker.until_it_sees(slow)
    for _ in range(20):
        speaker.broadcast(tag="flood", body="x" * 10_000, to=[slow.address])
        speaker.event("sent")
    slow.request(stats=True, ref="late")
    lines = b""
    while b'"ref":"late"' not in lines:
        lines += read_some(reader)
    close(reader)


def test_a_socket_for_stdin_and_stdout(cluster: Cluster) -> None:
    """What some runtimes give their children instead of pipes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        node = cluster.start("node", "--json", stdin=theirs, stdout=theirs)
        ours.sendall(b'{"stats":true,"ref":1}\n')
        data = b""
        while data.count(b"\n") < 2:
            data += ours.recv(65_536)
        ready, stats = map(json.loads, data.splitlines())
        assert ready["event"] == "ready"
        assert stats["ref"] == 1
        ours.shutdown(socket.SHUT_WR)
        assert node.ended() == 0


def test_a_terminal_keeps_its_flags(cluster: Cluster) -> None:
    """Non-blocking would be a property of the terminal, and outlive us in the shell."""
    master, slave = os.openpty()
    node = cluster.start("node", "--json", stdin=slave, stdout=slave)
    os.write(master, b'{"stats":true,"ref":1}\n')
    data = b""
    while b'"ref":1}\r\n' not in data.partition(b'"counters"')[2]:
        data += read_some(master)
    assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK
    os.write(master, b"\x04")  # Ctrl-D on an empty line
    assert node.ended() == 0
    close(slave)
    close(master)


def test_a_person_sees_lines(cluster: Cluster) -> None:
    watcher = cluster.start("node")
    assert b"  ready at 127.0.0.1:" in watcher.next_line()
    speaker = cluster.sidecar()
    assert f"  {speaker.address} joined" in watcher.next_line().decode()
    address = watcher.lines[0].split()[-1].decode()
    speaker.event("peer", address=address)
    speaker.broadcast(tag="hello", body={"text": "wörld"})
    assert f"hello from {speaker.address} #1 (" in (line := watcher.next_line().decode())
    assert line.endswith('): {"text": "wörld"}\n')
    speaker.request(leave=True)
    assert watcher.next_line().decode().split(maxsplit=1)[1] == f"{speaker.address} left\n"
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.ended() == 0


def test_what_cannot_start_says_so_in_one_sentence(cluster: Cluster) -> None:
    taken = cluster.sidecar()
    cases: dict[int, list[tuple[str, ...]]] = {
        1: [("--address", taken.address), ("--address", "203.0.113.7:0")],
        2: [("--address", "nonsense"), ("--no-such-option",), ("--key-file", "/nonexistent")],
    }
    for status, options in cases.items():
        for arguments in options:
            node = cluster.start("node", "--json", *arguments)
            assert node.ended() == status, (arguments, node.errors)
            assert node.lines == []
            assert b"Error: " in node.errors
            assert b"Traceback" not in node.errors


def test_no_key_is_said_to_be_missing(cluster: Cluster) -> None:
    del cluster.environment["CHATTER_KEY"]
    node = cluster.start("node", "--json")
    assert node.ended() == 2
    assert b"chatter keygen" in node.errors


def test_a_node_without_an_output_does_not_start(cluster: Cluster) -> None:
    """Else its first socket would get descriptor 1, and its events with it."""
    node = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *CHATTER, "node", *cluster.options],
        cwd=ROOT,
        env=cluster.environment,
        capture_output=True,
    )
    assert node.returncode == 1
    assert b"stdout is closed" in node.stderr


def test_lines_are_whole_when_two_greenlets_write(cluster: Cluster) -> None:
    """Answers and messages cross; each line is JSON by itself."""
    one, two = cluster.sidecar(), cluster.sidecar()
    one.until_it_sees(two)
    two.until_it_sees(one)
    for number in range(100):
        one.broadcast(tag="a", body="x" * 3000, to=[two.address])
        two.request(stats=True, ref=number)
    messages = answers = 0
    while messages < 100 or answers < 100:
        event = two.event()
        messages += event["event"] == "message"
        answers += event["event"] == "stats"
