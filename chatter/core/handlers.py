"""What users register: how a tag's bodies become bytes and back, and who gets them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chatter.errors import ConfigError, FrameError, HandlerError
from chatter.ids import NetID
from chatter.wire.gossip import CODECS, MAX_TAG_BYTES, NO_NETIDS, split_payload
from chatter.wire.idtable import encode_table

ANY_TAG = "*"

# What an encoded body has in front of it in a payload when it names no NetIDs: an empty table. It
# is not the user's, so it does not count for the limit.
TABLE_BYTES = len(NO_NETIDS)


class Message(NamedTuple):
    """A broadcast as its handler gets it."""

    tag: str
    body: Any
    codec: str
    """``json``, ``bytes``, or ``own`` for a handler's own encoding."""
    origin: NetID
    epoch: int
    seqno: int
    sender: NetID
    """Who handed it to us: the origin, or a relay."""
    via: str
    """``tcp``, ``multicast`` or ``udp``."""
    hops: int
    """1 straight from the origin."""


@dataclass(frozen=True, slots=True)
class MessageHandler:
    """The five parts of a handler, and what it asks for.

    The usual mistakes: an ``encode_with`` that writes NetIDs as text instead of by ``id_map``, so
    that each costs 20 bytes instead of one; a ``decode_with`` that returns the body alone; one that
    takes less than it wrote, which is refused as a ``FrameError`` since the rest has no reader; a
    ``dispatch`` that waits for an answer to a broadcast of its own, which holds up only this
    handler, but that one for good.
    """

    tag: str
    """The name of the kind of message, 1 to 255 bytes of UTF-8."""
    extract_netids: Callable[[Any], Sequence[NetID]]
    """The NetIDs that a body names."""
    encode_with: Callable[[Any, Mapping[NetID, int]], bytes]
    """The body as bytes, with each NetID written as its index in the map."""
    decode_with: Callable[[bytes, Mapping[int, NetID]], tuple[Any, bytes]]
    """The body, and what is left of the bytes: nothing, or the message is damaged."""
    dispatch: Callable[..., Any]
    """Takes the body; also the Message with ``with_message``. What it returns is ignored, except
    with ``transforms``: a new body, which travels on, or None."""
    codec: str = "own"
    """What the frame names as its encoding, for receivers without a handler."""
    transforms: bool = False
    """The body that ``dispatch`` returns travels on instead. Forwarding then waits for dispatch, at
    most 1 s; if it raises or takes longer, the body travels on as it came."""
    compress: bool = True
    """Off for bodies that mix a secret with what strangers chose: the size of a compressed frame
    tells how much the two have in common."""
    with_message: bool = False
    """Whether ``dispatch`` takes the Message as a second argument."""
    ordered: bool = False
    """First in, first out for each origin: a broadcast waits for those before it, at most
    ``repair_timeout_s``; what is still missing then is a gap."""

    def __post_init__(self) -> None:
        if not isinstance(self.tag, str) or not 0 < len(self.tag.encode()) <= MAX_TAG_BYTES:
            raise ConfigError(f"tag: a text of 1 to {MAX_TAG_BYTES} bytes, not {self.tag!r}")
        if self.codec not in CODECS:
            raise ConfigError(f"codec: one of {', '.join(CODECS)}, not {self.codec!r}")
        for name in ("extract_netids", "encode_with", "decode_with", "dispatch"):
            if not callable(getattr(self, name)):
                raise ConfigError(f"{name}: a function, not {getattr(self, name)!r}")
        if self.ordered and self.transforms:
            # Each hop sends on what its handler made of the body, when it is done; to hold one back
            # for those before it would hold back everybody behind this hop.
            raise ConfigError("ordered: not together with transforms")


class Codec(NamedTuple):
    """How bodies of one kind become bytes and back, without NetIDs of their own."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _encode_json(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _encode_bytes(body: Any) -> bytes:
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(f"the codec bytes takes bytes, not {type(body).__name__}")
    return bytes(body)


def _decode_json_with(data: bytes, id_map: Mapping[int, NetID]) -> tuple[Any, bytes]:
    return json.loads(data), b""


def _decode_bytes_with(data: bytes, id_map: Mapping[int, NetID]) -> tuple[Any, bytes]:
    return data, b""


BUILT_IN = {"json": Codec(_encode_json, json.loads), "bytes": Codec(_encode_bytes, bytes)}

_DECODE_WITH = {"json": _decode_json_with, "bytes": _decode_bytes_with}


def codec_handler(
    tag: str,
    codec: str,
    dispatch: Callable[..., Any],
    *,
    transforms: bool = False,
    compress: bool = True,
    ordered: bool = False,
) -> MessageHandler:
    """A handler whose bodies are JSON or plain bytes.

    Args:
        dispatch: called with the body and the Message, or with the body alone if it takes no more.

    Raises:
        ConfigError: no such codec, ``ordered`` together with ``transforms``, or a function that
            cannot be called so.
    """
    if codec not in BUILT_IN:
        raise ConfigError(f"codec: one of {', '.join(BUILT_IN)}, not {codec!r}")
    with_message = _takes_message(dispatch)
    encode = BUILT_IN[codec].encode
    return MessageHandler(
        tag,
        _no_netids,
        lambda body, id_map: encode(body),
        _DECODE_WITH[codec],
        dispatch,
        codec,
        transforms,
        compress,
        with_message,
        ordered,
    )


def _takes_message(dispatch: Callable[..., Any]) -> bool:
    # What is called decides, and not what a decorator says that it stands for: that may be given
    # more than we give. Only if it would take anything does it pass on to the other what it gets.
    signature = _signature(dispatch, follow_wrapped=False)
    if signature is None:
        return True
    takes = _most_taken(signature)
    name = getattr(dispatch, "__name__", dispatch)
    if inspect.iscoroutinefunction(dispatch) or inspect.isasyncgenfunction(dispatch):
        raise ConfigError(f"handlers run in greenlets: {name} has to be `def`, not `async def`")
    if takes is None:
        raise ConfigError(
            f"a handler is called with the body and the message, or with the body alone, and {name}"
            f" takes {signature}: write `def {name}(body, message)` or `def {name}(body)`"
        )
    if any(one.kind is one.VAR_POSITIONAL for one in signature.parameters.values()):
        inner = _signature(dispatch, follow_wrapped=True)
        return inner is None or _most_taken(inner) != 1
    return takes == 2


def _signature(function: Callable[..., Any], *, follow_wrapped: bool) -> inspect.Signature | None:
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except Exception:  # some that are written in C do not tell; and annotations may fail
        return None


def _most_taken(signature: inspect.Signature) -> int | None:
    """How many of body and message it can be called with: 2, 1, or None for neither."""
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments)
    return None


def _no_netids(body: Any) -> tuple[NetID, ...]:
    return ()


class Way(NamedTuple):
    """How the bodies of a tag become bytes."""

    codec: str
    encode: Callable[[Any], bytes] | None
    """None: by the handler, as they may name NetIDs."""
    compress: bool


# Kept at a time; a program that makes up tags without end has each looked up.
MAX_WAYS = 1024


class SerializerDB:
    """The handlers of a node, by tag."""

    def __init__(self) -> None:
        self._handlers: dict[str, MessageHandler] = {}
        self.version = 0
        """Rises with each handler that is added."""
        self.ways: dict[tuple[str, str | None], Way] = {}
        """What ``way`` found, until another handler is added."""

    def add(self, handler: MessageHandler) -> None:
        """Register a handler.

        Raises:
            ConfigError: its tag has one already. Two would mean two dispatches of one broadcast.
        """
        if handler.tag in self._handlers:
            raise ConfigError(f"tag {handler.tag!r} has a handler already; a tag has one")
        self._handlers[handler.tag] = handler
        self.version += 1
        self.ways = {}  # another one: a thread may be about to keep what it found before

    def way(self, tag: str, codec: str | None) -> Way:
        """How bodies of a tag are encoded, where they name no NetIDs.

        Raises:
            ConfigError: no such codec.
        """
        ways = self.ways
        handler = self._handlers.get(tag)
        compress = handler is None or handler.compress
        if codec is not None or handler is None:
            name = codec or "json"
            if name not in BUILT_IN:
                raise ConfigError(f"codec: one of {', '.join(BUILT_IN)}, not {codec!r}")
            way = Way(name, BUILT_IN[name].encode, compress)
        elif handler.extract_netids is _no_netids:
            way = Way(handler.codec, BUILT_IN[handler.codec].encode, compress)
        else:
            way = Way(handler.codec, None, compress)
        if len(ways) >= MAX_WAYS:
            ways.clear()
        ways[tag, codec] = way
        return way

    def get(self, tag: str) -> MessageHandler | None:
        """The handler of this very tag."""
        return self._handlers.get(tag)

    def dispatcher(self, tag: str) -> MessageHandler | None:
        """Who gets messages with this tag: its handler, else that of ``*``."""
        return self._handlers.get(tag) or self._handlers.get(ANY_TAG)

    def __iter__(self) -> Iterator[MessageHandler]:
        return iter(self._handlers.values())


def encode_body(
    handler: MessageHandler | None, tag: str, body: Any, codec: str | None = None
) -> tuple[str, bytes, bytes]:
    """The codec's name, the NetID table of a body, and the body as bytes: together its payload.

    Args:
        handler: the tag's handler, if it has one; a ``codec`` given goes first.

    Raises:
        HandlerError: the body cannot be encoded, or a function of the handler raised.
        ConfigError: no such codec.
    """
    if codec is not None and codec not in BUILT_IN:
        raise ConfigError(f"codec: one of {', '.join(BUILT_IN)}, not {codec!r}")
    try:
        if codec is None and handler is not None:
            if handler.extract_netids is _no_netids:
                return handler.codec, NO_NETIDS, BUILT_IN[handler.codec].encode(body)
            table, index = encode_table(handler.extract_netids(body))
            return handler.codec, table, handler.encode_with(body, index)
        name = codec or "json"
        return name, NO_NETIDS, BUILT_IN[name].encode(body)
    except Exception as error:
        raise not_encoded(tag, error) from error


def not_encoded(tag: str, error: Exception) -> HandlerError:
    """What to raise for a body that cannot be encoded."""
    return HandlerError(f"tag {tag!r}: the body cannot be encoded: {error}")


def encode_message(
    handler: MessageHandler | None, tag: str, body: Any, codec: str | None = None
) -> tuple[str, bytes]:
    """As ``encode_body``: the codec's name and the payload."""
    name, table, data = encode_body(handler, tag, body, codec)
    return name, table + data


def named_codec(codec: str) -> str:
    """A codec as Message names it: one that we do not have is somebody's own."""
    return codec if codec in BUILT_IN else "own"


def body_decoder(handler: MessageHandler, codec: str) -> Callable[[bytes], Any] | None:
    """Decodes bodies that name no NetIDs, for a handler; None if they are what it takes already.

    What it returns may raise as ``decode_message`` does.
    """
    if handler.tag == ANY_TAG or handler.codec != codec:
        return None if codec in ("own", "bytes") else BUILT_IN[codec].decode
    if handler.decode_with is _decode_bytes_with:
        return None
    if handler.decode_with is _decode_json_with:
        return json.loads
    return lambda data: _decode_with(handler, data, {})


def decode_message(handler: MessageHandler | None, codec: str, payload: bytes) -> Any:
    """The body of a payload, by its handler or else by the codec that the frame names.

    Without a handler, a body in a handler's own encoding stays the bytes it is.

    Raises:
        FrameError: damaged, or ``decode_with`` left a rest.
        Exception: what ``decode_with`` raised.
    """
    id_map, data = split_payload(payload)
    if handler is not None and handler.tag != ANY_TAG and handler.codec == codec:
        return _decode_with(handler, data, id_map)
    return data if codec == "own" else BUILT_IN[codec].decode(data)


def _decode_with(handler: MessageHandler, data: bytes, id_map: Mapping[int, NetID]) -> Any:
    decoded = handler.decode_with(data, id_map)
    if not isinstance(decoded, tuple) or len(decoded) != 2:
        raise HandlerError(f"tag {handler.tag!r}: decode_with returns (body, rest)")
    body, rest = decoded
    if rest:
        raise FrameError(f"tag {handler.tag!r}: decode_with left {len(rest)} bytes")
    return body
