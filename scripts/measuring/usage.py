"""What a process has used up, and what others took of the machine meanwhile."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

# Linux makes the id of a process's CPU clock from its pid: clock_getcpuclockid(3), which Python
# does not have. Exact, where /proc counts in hundredths of a second.
_CPUCLOCK_SCHED = 2

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_IDLE = slice(3, 5)  # idle and waiting for a disk, among the figures of /proc/stat
_ALL = slice(0, 8)  # behind them what guests took stands again


def cpu_ns(pid: int) -> int:
    """The CPU time of all its threads since it started, in user space and in the kernel.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def resident_bytes() -> int:
    """The memory of this process that is in RAM."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


@dataclass(frozen=True)
class Machine:
    """The CPU time of all cores since the machine started: what was used, what there was, and what
    of the used was ours."""

    busy_ns: int
    all_ns: int
    ours_ns: int

    @classmethod
    def now(cls, ours_ns: Iterable[int]) -> Self:
        """As it is.

        Args:
            ours_ns: CPU time of each process that is part of what is measured.
        """
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:]]
        everything = sum(ticks[_ALL])
        busy = everything - sum(ticks[_IDLE])
        return cls(busy * _TICK_NS, everything * _TICK_NS, sum(ours_ns))

    def others_since(self, before: Self) -> float:
        """The part of the machine, 0 to 1, that went to what is not part of the measurement."""
        busy_ns = self.busy_ns - before.busy_ns - (self.ours_ns - before.ours_ns)
        return min(1.0, max(0.0, busy_ns / max(1, self.all_ns - before.all_ns)))
