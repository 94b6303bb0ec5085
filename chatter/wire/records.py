"""The types of records, and their numbers.

Each record is a value with ``netids()`` (what it needs in the frame's NetID table), ``encode``,
``decode`` and ``size_bound()`` (what it adds to a frame at most). A type that is not known here is
skipped, so versions can mix::

    1 hello, 3 beacon, 4 seen ids, 5 other ids, 8 leave                   about.py
    2 gossip                                                              gossip.py
    22 burst                                                              burst.py
    6 probe, 7 want, 9 highest, 10 want numbers, 15 took                  repair.py
    11 chunk, 12 want chunks                                              chunks.py
    13 ack, 14 report, 16 credit, 17 session credit                       answers.py
    18 watch, 19 figures, 20 traces, 21 result                            watching.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatter.ids import NetID
from chatter.wire.about import (
    CHALLENGE_BYTES,
    LAST_EPOCH_TO_FOLLOW,
    OTHER_ID_BOUND,
    Beacon,
    Hello,
    Leave,
    OtherId,
    OtherIds,
    SeenIds,
)
from chatter.wire.answers import Ack, Credit, Grant, Report, Served, SessionCredit
from chatter.wire.burst import Broadcasts, Burst
from chatter.wire.chunks import CHUNK_BOUND, Chunk, WantChunks
from chatter.wire.cursor import Cursor
from chatter.wire.gossip import Gossip
from chatter.wire.repair import Highest, Probe, Took, Top, Want, WantNumbers
from chatter.wire.varint import encode_varint
from chatter.wire.watching import (
    MAX_CLOCK_US,
    MAX_THIN,
    NO_TRACES,
    Figures,
    Result,
    Trace,
    Traces,
    Watch,
)

__all__ = [
    "CARRIERS",
    "CHALLENGE_BYTES",
    "CHUNK_BOUND",
    "GOSSIP",
    "LAST_EPOCH_TO_FOLLOW",
    "MAX_CLOCK_US",
    "MAX_THIN",
    "NO_TRACES",
    "OTHER_ID_BOUND",
    "TYPE_BYTES",
    "Ack",
    "Beacon",
    "Broadcasts",
    "Burst",
    "Chunk",
    "Credit",
    "Figures",
    "Gossip",
    "Grant",
    "Hello",
    "Highest",
    "Leave",
    "OtherId",
    "OtherIds",
    "Probe",
    "Record",
    "Report",
    "Result",
    "SeenIds",
    "Served",
    "SessionCredit",
    "Took",
    "Top",
    "Trace",
    "Traces",
    "Want",
    "WantChunks",
    "WantNumbers",
    "Watch",
    "decode_record",
    "type_of",
]

Record = (
    Hello
    | Gossip
    | Beacon
    | SeenIds
    | OtherIds
    | Probe
    | Want
    | Leave
    | Highest
    | WantNumbers
    | Chunk
    | WantChunks
    | Ack
    | Report
    | Took
    | Credit
    | SessionCredit
    | Watch
    | Figures
    | Traces
    | Result
    | Burst
)

# In the order of their numbers, from 1.
_TYPES: tuple[type[Record], ...] = (
    Hello,
    Gossip,
    Beacon,
    SeenIds,
    OtherIds,
    Probe,
    Want,
    Leave,
    Highest,
    WantNumbers,
    Chunk,
    WantChunks,
    Ack,
    Report,
    Took,
    Credit,
    SessionCredit,
    Watch,
    Figures,
    Traces,
    Result,
    Burst,
)
_NUMBER_OF = {kind: number for number, kind in enumerate(_TYPES, 1)}
GOSSIP = _NUMBER_OF[Gossip]
_DECODER_OF: dict[int, Callable[[Cursor, Sequence[NetID]], Record]] = {
    number: kind.decode for kind, number in _NUMBER_OF.items()
}

# The type of a record as it stands in front of it: a lookup instead of two calls for each record.
TYPE_BYTES = {kind: encode_varint(number) for kind, number in _NUMBER_OF.items()}

# Records with bytes of users, who alone may forbid that the frame around them is compressed.
CARRIERS = (Gossip, Chunk, Burst)


def type_of(record: Record) -> int:
    """The type number of a record."""
    return _NUMBER_OF[type(record)]


def decode_record(number: int, data: bytes, table: Sequence[NetID]) -> Record | None:
    """The record of this type in these bytes, all of them; None for a type not known here.

    Raises:
        FrameError: whatever is wrong with the bytes.
    """
    decoder = _DECODER_OF.get(number)
    if decoder is None:
        return None
    cursor = Cursor(data)
    record = decoder(cursor, table)
    cursor.finish()
    return record
