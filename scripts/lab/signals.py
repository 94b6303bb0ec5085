"""SIGINT and SIGTERM as one exception, once: what follows during the clean-up is ignored."""

import signal
from types import FrameType
from typing import NoReturn

from scripts.lab.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def raise_on_signals() -> None:
    """From now on the first of SIGINT, SIGTERM, SIGHUP raises `Interrupted` in the main thread."""
    for number in _SIGNALS:
        # Under nohup a hangup is to be ignored, and stays so.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


def ignore_signals() -> None:
    """From now on they do nothing. For the clean-up: it is bounded, and must not stop half way."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    ignore_signals()
    raise Interrupted(number)
