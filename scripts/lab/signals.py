"""SIGINT and SIGTERM as one exception, once: what follows during the clean-up is ignored."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def signals_held() -> Iterator[None]:
    """Between starting something and writing down that it is to be ended: a signal waits so long.

    By a flag, not by a mask, which the started process would inherit. Changes nothing where
    `raise_on_signals` was not called, as in tests.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    ours = [number for number, handler in handlers.items() if handler is _raise]
    came: list[int] = []
    for number in ours:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, _raise)
        if came:
            _raise(came[0], None)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    ignore_signals()
    raise Interrupted(number)
