"""What one process of a run is told when it starts."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from scripts.fanout.systems import SYSTEMS, System


@dataclass(frozen=True)
class Task:
    """One process's part.

    Args:
        system: its name, of `SYSTEMS`.
        publisher: whether it publishes; else it subscribes.
        nodes: subscribers there are.
        size: bytes of a message.
        mode: "latency" or "throughput".
        codec: "bytes" or "json"; only chatter has a choice.
        ip: the address of its host.
        server: `IP:PORT` of the server between them, if the system has one.
        directory: for files that the processes share.
        meeting: what the publisher told of how to reach it.
    """

    system: str
    publisher: bool
    nodes: int
    size: int
    mode: str
    codec: str
    ip: str
    server: str
    directory: str
    meeting: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> System:
        """What the system is."""
        return SYSTEMS[self.system]

    @property
    def on_loopback(self) -> bool:
        """Whether there is no network."""
        return self.ip.startswith("127.")

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """What `to_json` gave."""
        return cls(**json.loads(text))
