"""The messages of a burst, a few at a time, as their handler wants them.

What can be done for many at once is done in C: a Python-level step for each would cost more than
all else that happens to a small message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from gevent import Timeout

from chatter.core.effects import Deliver
from chatter.core.handlers import Message, MessageHandler, body_decoder, named_codec
from chatter.wire.burst import Burst

_make_message = partial(tuple.__new__, Message)


class BurstReading:
    """Decodes the bodies of a burst in turn.

    Args:
        undecodable: called for each that cannot be decoded, while its exception is being handled.
    """

    def __init__(
        self,
        handler: MessageHandler,
        delivery: Deliver,
        burst: Burst,
        undecodable: Callable[[str], None],
    ) -> None:
        self._with_message = handler.with_message
        self._decode = body_decoder(handler, burst.codec)
        self._delivery = delivery
        self._burst = burst
        self._bodies = burst.bodies()
        self._undecodable = undecodable
        self._position = 0
        self.size = len(burst.payload)
        """Bytes that its messages keep until the last of them is done."""
        self.handed = 0
        """How many ``next`` went through last, those that cannot be decoded too."""

    def next(self, most: int) -> Iterator[Any] | None:
        """The next messages, at most so many; or bodies, if the handler takes no more than that.

        None: there are no more.
        """
        start = self._position
        bodies: Sequence[Any] = self._bodies[start : start + most]
        self.handed = len(bodies)
        if not bodies:
            return None
        self._position += len(bodies)
        seqno = self._burst.id.seqno + start
        seqnos: Sequence[int] = range(seqno, seqno + len(bodies))
        if self._decode is not None:
            try:
                bodies = list(map(self._decode, bodies))
            except (Exception, Timeout):
                seqnos, bodies = self._one_by_one(self._decode, seqnos, bodies)
        return self._messages(seqnos, bodies) if self._with_message else iter(bodies)

    def _one_by_one(
        self, decode: Callable[[bytes], Any], seqnos: Sequence[int], bodies: Sequence[bytes]
    ) -> tuple[list[int], list[Any]]:
        good: list[int] = []
        decoded: list[Any] = []
        for seqno, body in zip(seqnos, bodies, strict=True):
            try:
                decoded.append(decode(body))
            except (Exception, Timeout):
                self._undecodable(self._burst.tag)
            else:
                good.append(seqno)
        return good, decoded

    def _messages(self, seqnos: Sequence[int], bodies: Sequence[Any]) -> Iterator[Message]:
        _, sender, via, _ = self._delivery
        burst = self._burst
        origin, epoch, _ = burst.id
        # In the order of Message's fields.
        fields = zip(
            repeat(burst.tag),
            bodies,
            repeat(named_codec(burst.codec)),
            repeat(origin),
            repeat(epoch),
            seqnos,
            repeat(sender),
            repeat(via),
            repeat(burst.hop),
        )
        return map(_make_message, fields)
