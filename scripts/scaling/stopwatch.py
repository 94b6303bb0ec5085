"""A node whose core's CPU time is taken."""

from __future__ import annotations

import time
from typing import Any

from chatter.core.node import Node
from chatter.testing import Member


class Stopwatch:
    """Stands where a member has its node, and adds up the CPU time that calls into it take.

    What the fake network and the member do around them is not in it. Two looks at the clock a call
    are, half of them: below a microsecond.
    """

    def __init__(self, member: Member) -> None:
        self.spent_ns = 0
        self._node: Node = member.node
        member._node = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._node, name)
        if name.startswith("_") or not callable(value):
            return value

        def timed(*arguments: Any, **named: Any) -> Any:
            began = time.process_time_ns()
            try:
                return value(*arguments, **named)
            finally:
                self.spent_ns += time.process_time_ns() - began

        setattr(self, name, timed)
        return timed
