"""`send`, `listen` and `peers` as processes, beside a node that stays."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.command.descriptors import close
from tests.command.process import Cluster


def test_send_reaches_a_node_and_says_so(cluster: Cluster) -> None:
    node = cluster.sidecar()
    send = cluster.start("send", "hello", '{"text": "world"}')
    message = node.event("message")
    assert (message["tag"], message["body"]) == ("hello", {"text": "world"})
    assert send.ended() == 0
    assert send.lines == [b"sent to 1 node\n"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "body"),
    [
        ((), b"", None),
        (("--text", "back in 5"), b"", "back in 5"),
        (("--text", "-"), b"words\n", "words"),
        (("-",), b"[1]\n", [1]),
    ],
)
def test_bodies(cluster: Cluster, arguments: tuple[str, ...], stdin: bytes, body: object) -> None:
    node = cluster.sidecar()
    send = cluster.start("send", "tag", *arguments, "--to", node.address)
    send.write(stdin)
    send.close_input()
    assert node.event("message")["body"] == body
    assert send.ended() == 0


def test_send_to_some_tells_nobody_else(cluster: Cluster) -> None:
    named, other = cluster.sidecar(), cluster.sidecar()
    assert cluster.start("send", "first", "1", "--to", named.address).ended() == 0
    second = cluster.start("send", "second", "2", "--to", named.address, "--to", other.address)
    assert second.ended() == 0
    assert second.lines == [b"sent to 2 nodes\n"]
    assert named.event("message")["tag"] == "first"
    assert other.event("message")["tag"] == "second"


def test_send_to_somebody_absent_names_them(cluster: Cluster) -> None:
    node = cluster.sidecar()
    send = cluster.start("send", "t", "--to", node.address, "--to", "127.0.0.1:1", "--wait", "0.5")
    assert send.ended() == 0
    assert b"not met within 0.5 s: 127.0.0.1:1" in send.errors
    node.event("message")


def test_send_confirmed_says_who_got_it(cluster: Cluster) -> None:
    one, two = cluster.sidecar(), cluster.sidecar()
    send = cluster.start("send", "t", "1", "--to", one.address, "--to", two.address, "--confirm")
    assert send.ended() == 0
    assert send.lines[0] == b"sent to 2 nodes\n"
    assert set(send.lines[1:]) == {f"delivered {node.address}\n".encode() for node in (one, two)}


def test_send_confirmed_says_who_did_not(cluster: Cluster) -> None:
    node = cluster.sidecar()
    send = cluster.start(
        *("send", "t", "--to", node.address, "--to", "127.0.0.1:1"),
        *("--wait", "0.5", "--confirm", "--timeout", "5"),
    )
    assert send.ended() == 3
    assert send.lines == [
        b"sent to 1 node\n",
        f"delivered {node.address}\n".encode(),
        b"missing 127.0.0.1:1\n",
    ]
    assert b"1 of 2 did not say that they have it" in send.errors


def test_nobody_there(cluster: Cluster) -> None:
    for arguments in (
        ("send", "t", "--wait", "0.1"),
        ("send", "t", "--wait", "0.1", "--to", "127.0.0.1:1"),
        ("peers", "--wait", "0.1"),
    ):
        command = cluster.start(*arguments)
        assert command.ended() == 1
        assert command.lines == []
        assert b"Error: " in command.errors
        assert b"Traceback" not in command.errors


def test_mistakes_end_before_anything_starts(cluster: Cluster) -> None:
    for arguments in (
        ("send",),
        ("send", ""),
        ("send", "t", "not json"),
        ("send", "t", "NaN"),
        ("send", "t", "--to", "nowhere"),
        ("send", "t", "--wait", "-1"),
        ("send", "t", "--timeout", "1"),
        ("send", "t", "--confirm", "--timeout", "0"),
        ("listen", "--count", "0"),
        ("peers", "--multicast", "10.0.0.1:5"),
    ):
        command = cluster.start(*arguments)
        assert command.ended() == 2, arguments
        assert b"Error: " in command.errors
        assert b"Traceback" not in command.errors


def test_listen_prints_what_it_was_asked_for_and_ends(cluster: Cluster) -> None:
    listener = cluster.start("listen", "wanted", "--count", "2")
    listener.wait_for_error("listening at ")
    speaker = cluster.sidecar()
    speaker.event("peer", state="alive")
    for tag in ("other", "wanted", "other", "wanted", "wanted"):
        speaker.broadcast(tag=tag, body=tag)
        speaker.event("sent")
    assert listener.ended() == 0
    assert len(listener.lines) == 2
    assert all(line.endswith(b'): "wanted"\n') for line in listener.lines)


def test_listen_to_all_as_json(cluster: Cluster) -> None:
    listener = cluster.start("listen", "--json")
    listener.wait_for_error("listening at ")
    speaker = cluster.sidecar()
    speaker.event("peer", state="alive")
    speaker.broadcast(tag="one", body=1)
    speaker.broadcast(tag="two", body_base64="AP8=")
    assert listener.event("message", tag="one")["body"] == 1
    assert listener.event("message", tag="two")["body_base64"] == "AP8="
    listener.process.send_signal(signal.SIGINT)
    assert listener.ended() == 0
    assert {json.loads(line)["event"] for line in listener.lines} == {"message"}


def test_listen_ends_when_its_reader_does(cluster: Cluster) -> None:
    reader, writer = os.pipe()
    listener = cluster.start("listen", stdout=writer)
    close(writer)
    listener.wait_for_error("listening at ")
    close(reader)
    assert listener.ended() == 0


def test_peers_shows_a_table(cluster: Cluster) -> None:
    nodes = [cluster.sidecar(), cluster.sidecar()]
    peers = cluster.start("peers")
    assert peers.ended() == 0
    heading, *rows = [line.decode().split() for line in peers.lines]
    assert heading == ["ADDRESS", "STATE", "SEGMENT", "MULTICAST", "HEARD"]
    assert {row[0] for row in rows} == {node.address for node in nodes}
    assert {row[1] for row in rows} == {"alive"}


def test_a_key_from_keygen_opens_the_door(cluster: Cluster) -> None:
    keygen = cluster.start_plainly("keygen")
    assert keygen.ended() == 0
    cluster.environment["CHATTER_KEY"] = keygen.lines[0].decode().strip()
    node = cluster.sidecar()
    assert cluster.start("send", "t", "--to", node.address).ended() == 0


def test_help_has_an_example_each(cluster: Cluster) -> None:
    for name in ("keygen", "node", "send", "listen", "peers"):
        command = cluster.start_plainly(name, "--help")
        assert command.ended() == 0
        assert f"    chatter {name}".encode() in b"".join(command.lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_visitor_leaves(cluster: Cluster, number: signal.Signals) -> None:
    node = cluster.sidecar()
    # It waits for a node that never comes.
    send = cluster.start("send", "t", "--wait", "60", "--to", "127.0.0.1:1")
    address = node.event("peer", state="alive")["address"]
    send.process.send_signal(number)
    assert send.ended() == 1
    assert b"interrupted" in send.errors
    assert b"Traceback" not in send.errors
    node.event("peer", address=address, state="left")
