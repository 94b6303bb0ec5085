"""What all nodes of a cluster tell while it is damaged: arrivals, gaps, complaints, receipts."""

import base64
import hashlib
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from scripts.lab.cluster import Cluster
from scripts.lab.ledger import Broadcast, Ledger
from scripts.lab.sidecar import Event, Sidecar
from scripts.lab.tree import Place

_POLL_S = 0.01
_KEEP = 1_000_000  # all of them: a proof looks at every single one


@dataclass(frozen=True)
class Sent:
    """A broadcast and, if it was confirmed, where its receipt will come from."""

    broadcast: Broadcast
    node: Sidecar
    ref: str

    def receipt(self, timeout_s: float) -> Event:
        """The receipt's event.

        Raises:
            LabError: there was none within `timeout_s`.
        """
        return self.node.answer(self.ref, "receipt", timeout_s)


class Watch:
    """Sends, and reads what the nodes say. Of bodies it keeps the hash alone.

    Args:
        cluster: its nodes are known to each other, and have sent nothing yet: a gap names numbers,
            and what is counted from the first broadcast on is both number and seqno.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.addresses = frozenset(cluster.by_address)
        self.ledger = Ledger(self.addresses, keep=_KEEP)
        self.digests: dict[tuple[str, int], dict[str, str]] = {}
        self.complaints: list[str] = []
        self._gaps: dict[tuple[str, str], list[range]] = {}

    def send(
        self,
        origin: Place,
        body: object,
        to: Sequence[str] | None = None,
        confirm_s: float | None = None,
        timeout_s: float = 30.0,
    ) -> Sent:
        """A broadcast that `origin` has said is on its way.

        Args:
            body: bytes go as they are, all else as JSON.
            to: addresses; those that are no node's are sent to, and not waited for.
            confirm_s: have it confirmed, in so many seconds.
            timeout_s: how long its node may take to answer.
        """
        return self.sent(self.post(origin, body, to, confirm_s), to, timeout_s)

    def post(
        self,
        origin: Place,
        body: object,
        to: Sequence[str] | None = None,
        confirm_s: float | None = None,
    ) -> tuple[Sidecar, str]:
        """The same without waiting for the node's answer, which `sent` does."""
        node = self._cluster.nodes[origin]
        if isinstance(body, bytes):
            fields: Event = {"body_base64": base64.b64encode(body).decode()}
        else:
            fields = {"body": body}
        if confirm_s is not None:
            fields |= {"confirm": True, "timeout_s": confirm_s}
        request = {"tag": "proof", "to": None if to is None else list(to), **fields}
        return node, node.post({"broadcast": request})

    def sent(
        self, posted: tuple[Sidecar, str], to: Sequence[str] | None = None, timeout_s: float = 30.0
    ) -> Sent:
        """What was posted, once its node has answered.

        Raises:
            LabError: the node refused it; names its reason.
        """
        node, ref = posted
        event = node.answer(ref, "sent", timeout_s)
        invited = None if to is None else self.addresses.intersection(to)
        return Sent(self.ledger.add_sent(node.address, event, invited), node, ref)

    def collect(self) -> bool:
        """Whether any node had something to tell."""
        news = False
        for node in list(self._cluster.nodes.values()):
            for event in node.take():
                news = True
                self._note(node, event)
            node.raise_if_ended()
        return news

    def wait_for(
        self,
        broadcasts: Iterable[Broadcast],
        timeout_s: float,
        *,
        quiet_s: float = 0.0,
        excused: Collection[str] = (),
        gaps_count: bool = False,
    ) -> bool:
        """Whether all have arrived everywhere in that time. Collects, and for `quiet_s` more.

        Args:
            quiet_s: time for what must not come: second dispatches.
            excused: who needs not have them.
            gaps_count: what a gap names is settled too.
        """
        waiting = list(broadcasts)
        deadline = time.monotonic() + timeout_s
        while waiting and time.monotonic() < deadline:
            waiting = [one for one in waiting if self.lacking(one, excused, gaps_count)]
            if waiting and not self.collect():
                time.sleep(_POLL_S)
        quiet_until = time.monotonic() + quiet_s
        while time.monotonic() < quiet_until:
            time.sleep(_POLL_S)
            self.collect()
        return not waiting

    def lacking(
        self, broadcast: Broadcast, excused: Collection[str] = (), gaps_count: bool = False
    ) -> list[str]:
        """Who should have it and has not."""
        return [
            node
            for node in broadcast.missing()
            if node not in excused and not (gaps_count and self.gap_names(node, broadcast))
        ]

    def gap_names(self, node: str, broadcast: Broadcast) -> bool:
        """Whether `node` has told of a gap that this broadcast is in."""
        gaps = self._gaps.get((node, broadcast.origin), ())
        return any(broadcast.seqno in gap for gap in gaps)

    @property
    def gaps(self) -> int:
        """How many broadcasts gaps have named, over all nodes."""
        return sum(len(gap) for gaps in self._gaps.values() for gap in gaps)

    def _note(self, node: Sidecar, event: Event) -> None:
        match event["event"]:
            case "message":
                self.ledger.add_message(node.address, event)
                if "body_base64" in event:
                    digest = hashlib.sha256(base64.b64decode(event["body_base64"])).hexdigest()
                    arrived = self.digests.setdefault((event["origin"], event["seqno"]), {})
                    arrived[node.address] = digest
            case "gap":
                numbers = range(event["first"], event["last"] + 1)
                self._gaps.setdefault((node.address, event["origin"]), []).append(numbers)
            case "error":
                self.complaints.append(f"{node.name}: {event['message']}")
