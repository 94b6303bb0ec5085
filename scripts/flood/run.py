"""One flood from start to end: starts the processes, has them meet, and gathers what they tell."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from chatter import generate_key

# Ports for the group: above those that are well known, below those that systems give out.
PORTS = range(20_000, 30_000)

# After meeting: so long until each knows whom it hears, or the first messages would go by TCP.
SETTLE_S = 2.5


@dataclass
class Outcome:
    """What one flood came to."""

    began_at: float
    sent: dict[str, Any]
    publisher: dict[str, Any]
    subscribers: list[dict[str, Any]] = field(default_factory=list)
    stopped_at: float | None = None

    @property
    def complete(self) -> bool:
        """Whether everybody got everything once."""
        return all(not one["twice"] and not one["lost"] for one in self.subscribers)

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


class Process:
    """One process, and what it tells."""

    def __init__(self, task: dict[str, Any]) -> None:
        command = [sys.executable, "-P", "-m", "scripts.flood.process", json.dumps(task)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hear(self, event: str) -> dict[str, Any]:
        """The next line of this kind."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            if told["event"] == event:
                return told
        raise RuntimeError(f"a process ended before it {event!r}; its log is above")

    def go_on(self) -> None:
        """It waits for this."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        """Stop it, or let it run again."""
        os.kill(self._process.pid, number)

    def end(self) -> None:
        """It is over."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        self._process.wait()


def flood(
    count: int,
    size: int,
    processes: int,
    *,
    multicast: bool = True,
    stop_one_s: float = 0.0,
    stop_after_s: float = 2.0,
) -> Outcome:
    """One publisher, so many subscribers.

    Args:
        stop_one_s: stop the first subscriber (SIGSTOP) for so long.
        stop_after_s: so long after the beginning.
    """
    key = generate_key()
    group = f"239.255.77.77:{random.choice(PORTS)}" if multicast else None
    common = {"key": key, "group": group, "count": count, "size": size, "others": processes}
    running: list[Process] = []
    try:
        running.append(Process({**common, "publisher": True, "join": []}))
        address = running[0].hear("started")["address"]
        for _ in range(processes):
            running.append(Process({**common, "publisher": False, "join": [address]}))
        for one in running:
            one.hear("met")
        time.sleep(SETTLE_S)
        for one in reversed(running):
            one.go_on()
        began_at = running[0].hear("began")["at"]
        stopped_at = None
        if stop_one_s:
            stopped_at = stop_after_s
            threading.Timer(stop_after_s, running[1].signal, [signal.SIGSTOP]).start()
            threading.Timer(stop_after_s + stop_one_s, running[1].signal, [signal.SIGCONT]).start()
        sent = running[0].hear("sent")
        subscribers = [one.hear("took") for one in running[1:]]
        running[0].go_on()
        publisher = running[0].hear("memory")
        for one in running[1:]:
            one.go_on()
        return Outcome(began_at, sent, publisher, subscribers, stopped_at)
    finally:
        for one in running:
            one.end()
