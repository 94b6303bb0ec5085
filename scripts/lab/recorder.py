"""A node for measurements, run as `python -m scripts.lab.recorder`: it tells when it is asked.

The sidecar prints a line for each message. On a machine with fewer cores than nodes, each line
wakes the client while other nodes have yet to dispatch, and the time measured is in part the
harness's own. This program keeps what it dispatched and prints nothing while a broadcast is on its
way. It does so by the public interface of chatter alone, as any program would.

| request | what it does |
| --- | --- |
| `{"broadcast":{"tag":…,"body":…,"to":["ip:port",…]}}` | `sent`, `ANSWER_LATER_S` later |
| `{"messages":true}` | `messages`: all that came since the last time, without tags and bodies |
| `{"peers":true}`, `{"stats":true}`, `{"leave":true}` | as the sidecar does |

Its client is the lab, so a request that makes no sense ends it, with a traceback for the client to
show.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import gevent
from gevent import monkey
from gevent.socket import wait_read

from chatter import Chatter, Message, NetID, Peer

# `sent` would wake the client just when the broadcast wants the cores; by then it is long over.
ANSWER_LATER_S = 0.02

_STDIN = 0
_CHUNK_BYTES = 65_536


class Recorder:
    """Keeps the messages of a node that hasn't started, and answers requests once it has."""

    def __init__(self, chatter: Chatter) -> None:
        self._chatter = chatter
        self._messages: list[tuple[int, NetID, int, int, NetID, str, int]] = []
        chatter.on("*")(self._keep)

    def serve(self, lines: Iterator[bytes]) -> None:
        """Answers until asked to leave, or until the lines end."""
        for line in lines:
            request = json.loads(line)
            if "leave" in request:
                return
            self._answer(request)

    def _keep(self, body: object, message: Message) -> None:
        # The clock first. Not the message itself: a long run would keep all bodies in memory.
        self._messages.append(
            (
                time.monotonic_ns(),
                message.origin,
                message.epoch,
                message.seqno,
                message.sender,
                message.via,
                message.hops,
            )
        )

    def _answer(self, request: dict[str, Any]) -> None:
        ref = request["ref"]
        match request:
            case {"broadcast": {"tag": tag, "body": body, "to": to}}:
                recipients = None if to is None else [NetID.parse(address) for address in to]
                time_ns = time.monotonic_ns()
                receipt = self._chatter.broadcast(tag, body, to=recipients)
                sent = {"seqno": receipt.id.seqno, "time_ns": time_ns, "ref": ref}
                gevent.spawn_later(ANSWER_LATER_S, say, "sent", **sent)
            case {"messages": True}:
                say("messages", messages=self._take_messages(), ref=ref)
            case {"peers": True}:
                peers = [describe(peer) for peer in self._chatter.peers()]
                say("peers", peers=peers, ref=ref)
            case {"stats": True}:
                say("stats", counters=self._chatter.stats(), ref=ref)
            case _:
                raise ValueError(f"no such request: {request}")

    def _take_messages(self) -> list[dict[str, Any]]:
        messages, self._messages = self._messages, []
        return [
            {
                "origin": str(origin),
                "epoch": epoch,
                "seqno": seqno,
                "sender": str(sender),
                "via": via,
                "hops": hops,
                "time_ns": time_ns,
            }
            for time_ns, origin, epoch, seqno, sender, via, hops in messages
        ]


def describe(peer: Peer) -> dict[str, Any]:
    """What of a peer the lab looks at."""
    return {
        "address": str(peer.address),
        "state": peer.state,
        "multicast": peer.multicast,
        "segment": None if peer.segment is None else str(peer.segment),
    }


def say(event: str, **fields: Any) -> None:
    """Writes one line. May block: the lab reads at all times."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def read_lines() -> Iterator[bytes]:
    """The lines of our input, while other greenlets go on."""
    rest = b""
    while True:
        wait_read(_STDIN)
        chunk = os.read(_STDIN, _CHUNK_BYTES)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def main() -> None:
    """Runs until it is asked to leave."""
    monkey.patch_all()
    parser = argparse.ArgumentParser(prog="scripts.lab.recorder", description=__doc__)
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--multicast", action="append", required=True)
    parser.add_argument("--interface", required=True)
    parser.add_argument("--join", action="append", default=[])
    options = parser.parse_args()
    chatter = Chatter(
        key_file=options.key_file,
        address=options.address,
        multicast=options.multicast,
        interface=options.interface,
        join=options.join,
    )
    recorder = Recorder(chatter)
    with chatter:
        say("ready", address=str(chatter.local_netid))
        recorder.serve(read_lines())


if __name__ == "__main__":
    main()
