"""How a measurement ends: what went wrong in a line, what was measured before, an exit status."""

import signal
import sys
from collections.abc import Callable

from scripts.lab.errors import Interrupted
from scripts.measuring.errors import MeasureError


def carry_out(name: str, measure: Callable[[], object], report: Callable[[], object]) -> int:
    """Measures, then reports what there is by then, whether or not measuring came to its end.

    Args:
        name: of the program, before what it complains of.

    Returns:
        The exit status: 0, 1 after an error, or 128 and the number of the signal that ended it.
    """
    status = 0
    try:
        measure()
    except MeasureError as error:
        complain(name, error)
        status = 1
    except Interrupted as interrupt:
        status = 128 + interrupt.signal_number
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    try:
        report()
    except (MeasureError, OSError) as error:
        complain(name, error)
        return 1
    return status


def complain(name: str, what: object) -> None:
    """A line on stderr."""
    print(f"{name}: {what}", file=sys.stderr)
