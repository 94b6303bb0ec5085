"""One flood from start to end: starts the processes, has them meet, and gathers what they tell."""

import contextlib
import json
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

from chatter import generate_key
from scripts.measuring.child import Child, python
from scripts.measuring.meeting import MET_WITHIN_S, own_group
from scripts.measuring.usage import Machine

# Longer than any machine takes for a flood that is bounded by its count.
_FLOODED_WITHIN_S = 3_600.0


@dataclass
class Outcome:
    """What one flood came to.

    Args:
        sent: how many they were, and what that took.
        others: the part of the machine that other work took while they were sent, 0 to 1: beside
            much of it, rates say little.
    """

    began_at: float
    sent: dict[str, Any]
    publisher: dict[str, Any]
    subscribers: list[dict[str, Any]] = field(default_factory=list)
    others: float = 0.0

    @property
    def count(self) -> int:
        """Messages that were sent."""
        sent: int = self.sent["count"]
        return sent

    def is_complete(self, behind: int = 0) -> bool:
        """Whether everybody got everything once.

        Args:
            behind: subscribers, from the first on, of whom it is enough that whatever they did not
                get was named by gaps.
        """
        return all(
            not one["twice"]
            and one["got"] + one["lost"] == self.count
            and (number < behind or not one["lost"])
            for number, one in enumerate(self.subscribers)
        )

    def rate(self, first_s: float, last_s: float, skip: int = 0) -> float:
        """Messages a second and subscriber, over a part of the time since the beginning.

        Args:
            skip: subscribers that do not count, from the first on.
        """
        rates = []
        for one in self.subscribers[skip:]:
            within = [
                (at, got) for at, got in one["samples"] if first_s <= at - self.began_at <= last_s
            ]
            if len(within) > 1:
                (start, before), (end, after) = within[0], within[-1]
                rates.append((after - before) / (end - start))
        return sum(rates) / len(rates) if rates else 0.0


def flood(
    count: int,
    size: int,
    processes: int,
    *,
    seconds: float | None = None,
    multicast: bool = True,
    stop_one_s: float = 0.0,
    stop_after_s: float = 2.0,
) -> Outcome:
    """One publisher, so many subscribers.

    Args:
        count: messages, at most.
        seconds: the publisher ends after so long, if it has not sent them all before.
        stop_one_s: stop the first subscriber (SIGSTOP) for so long.
        stop_after_s: so long after the beginning.

    Raises:
        MeasureError: a process ended, or did not do its part in time.
    """
    common = {
        "key": generate_key(),
        "group": own_group() if multicast else None,
        "count": count,
        "size": size,
        "others": processes,
        "seconds": seconds,
    }
    with contextlib.ExitStack() as stack:

        def start(publisher: bool, join: list[str]) -> Child:
            task = json.dumps({**common, "publisher": publisher, "join": join})
            name = "publisher" if publisher else "subscriber"
            command = python("-m", "scripts.flood.process", task)
            return stack.enter_context(Child(name, command, shows_log=True))

        publisher = start(True, [])
        address = publisher.hear("started", MET_WITHIN_S)["address"]
        subscribers = [start(False, [address]) for _ in range(processes)]
        for one in subscribers:
            one.hear("started", MET_WITHIN_S)
        for one in (publisher, *subscribers):
            one.hear("met", 2 * MET_WITHIN_S)
        for one in (*subscribers, publisher):
            one.order("go_on")
        began_at = publisher.hear("began", MET_WITHIN_S)["at"]
        cast = (publisher, *subscribers)
        before = Machine.now(one.cpu_ns for one in cast)
        if stop_one_s:
            for after_s, number in (
                (stop_after_s, signal.SIGSTOP),
                (stop_after_s + stop_one_s, signal.SIGCONT),
            ):
                timer = threading.Timer(after_s, subscribers[0].signal, [number])
                stack.callback(timer.cancel)
                timer.start()
        sent = publisher.hear("sent", _FLOODED_WITHIN_S)
        others = Machine.now(one.cpu_ns for one in cast).others_since(before)
        for one in subscribers:
            one.order("expect", count=sent["count"])
        took = [one.hear("took", _FLOODED_WITHIN_S) for one in subscribers]
        publisher.order("go_on")
        return Outcome(began_at, sent, publisher.hear("memory", MET_WITHIN_S), took, others)
