"""Seal and open one frame: AES-256-OCB3 under a key of its own for each sender and channel.

A frame, the same for every transport::

    1  magic and version          6  counter
    1  key hint                   n  sealed body
    16 sender life                16 tag

Header and label are associated data. The nonce is the channel byte, five zero bytes and the
counter; what makes it unique is the key under it, which is derived for one sender's life and one
channel: a frame opens on no other channel, at no other receiver and on no other connection.

Source: OCB3 is RFC 7253; key derivation is HKDF with SHA-256, RFC 5869.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from chatter.errors import BadMagic, BadSeal, LifeExhausted, Truncated, UnknownKey
from chatter.ids import LIFE_BYTES, NetID
from chatter.wire import aead

# High nibble: chatter, with the high bit set, as no ASCII protocol starts; low nibble: version 1.
MAGIC = 0xC1
HINT_BYTES = 1
COUNTER_BYTES = 6
HEADER_BYTES = 1 + HINT_BYTES + LIFE_BYTES + COUNTER_BYTES
OVERHEAD_BYTES = HEADER_BYTES + aead.TAG_BYTES

# Never above 64 KiB: a UDP datagram cannot be larger, and one frame on TCP must not hold up others.
MAX_FRAME_BYTES = 65536

# RFC 7253 section 5 allows 2^48 blocks of 16 bytes under one key; we stop at 2^44 bytes, a
# sixteenth of the blocks at which OCB's bounds grow uncomfortable, and at 2^40 frames, which leaves
# the 48 bits of the counter far from their end.
MAX_FRAMES_PER_KEY = 1 << 40
MAX_BYTES_PER_KEY = 1 << 44


class Channel(IntEnum):
    """Where a frame may be opened; the first byte of its nonce and part of its key."""

    MULTICAST = 1
    UDP = 2
    TCP_HELLO = 3
    TCP = 4


class Nonce:
    """A counter that can only rise: the one source of nonces of whatever shares it.

    Raises:
        LifeExhausted: by ``spend``, before a limit is passed, so no nonce is ever used twice.
    """

    __slots__ = ("_bytes", "value")

    def __init__(self) -> None:
        self.value = 0
        self._bytes = 0

    def spend(self, body_bytes: int) -> int:
        """The next counter, for a body of this size."""
        if self.value >= MAX_FRAMES_PER_KEY or self._bytes + body_bytes > MAX_BYTES_PER_KEY:
            raise LifeExhausted("this life has sealed as much as is safe")
        self.value += 1
        self._bytes += body_bytes
        return self.value


class Header(NamedTuple):
    """What stands in the clear before the sealed body."""

    hint: int
    life: bytes
    counter: int


class KeyRing:
    """The cluster's keys: the first seals, every one opens; so a key is replaced without a stop.

    Args:
        secrets: 32 bytes each, at least one.
        label: names a cluster that shares its keys with others: frames with another label do not
            open. Part of the derivation and of the associated data.
    """

    def __init__(self, secrets: Sequence[bytes], label: str = "") -> None:
        if not secrets:
            raise ValueError("a key ring needs a key")
        self.label = label.encode()
        salt = b"chatter v1" + self.label
        # HKDF-Extract once per ring key; a subkey is then one HMAC.
        self._prks = [hmac.digest(salt, secret, "sha256") for secret in secrets]
        self._hints = [hashlib.sha256(b"hint" + secret).digest()[0] for secret in secrets]

    @property
    def hint(self) -> int:
        """The hint of the key that seals."""
        return self._hints[0]

    def subkey(self, which: int, channel: Channel, context: bytes) -> bytes:
        """HKDF-Expand, one block: the key for a channel and its context."""
        info = bytes((channel,)) + context
        return hmac.digest(self._prks[which], info + b"\x01", "sha256")

    def matching(self, hint: int) -> list[int]:
        """Which keys have this hint, in order. Two keys may share one.

        Raises:
            UnknownKey: none has.
        """
        found = [which for which, known in enumerate(self._hints) if known == hint]
        if not found:
            raise UnknownKey("sealed with a key that is not ours")
        return found


def multicast_context(sender: bytes, group: NetID) -> bytes:
    """Context of multicast frames: the sender's life and the group."""
    return sender + group.packed + group.port.to_bytes(2, "big")


def udp_context(sender: bytes, receiver: bytes) -> bytes:
    """Context of unicast datagrams: both lives, so a frame opens at one receiver only."""
    return sender + receiver


def tcp_context(sender: bytes, receiver: bytes, randoms: bytes) -> bytes:
    """Context of one direction of a connection: both lives, then client's and server's 16 bytes."""
    return sender + receiver + randoms


class Sealer:
    """Seals the frames of one sender on one channel.

    Args:
        nonce: shared by all sealers of a life, or the connection's own.
    """

    __slots__ = ("_aead", "_channel", "_label", "_prefix", "nonce")

    def __init__(
        self, ring: KeyRing, channel: Channel, context: bytes, life: bytes, nonce: Nonce
    ) -> None:
        self._aead = aead.best(ring.subkey(0, channel, context))
        self._label = ring.label
        self._prefix = bytes((MAGIC, ring.hint)) + life
        self._channel = _nonce_prefix(channel)
        self.nonce = nonce

    def seal(self, body: bytes) -> bytes:
        """The finished frame around a body.

        Raises:
            LifeExhausted: the key must not seal any more; nothing was sealed.
        """
        counter = self.nonce.spend(len(body)).to_bytes(COUNTER_BYTES, "big")
        header = self._prefix + counter
        return header + self._aead.seal(self._channel + counter, header + self._label, body)


def _nonce_prefix(channel: Channel) -> bytes:
    """What stands before the counter in each nonce of a channel."""
    return bytes((channel,)) + bytes(5)


def read_header(frame: bytes) -> Header:
    """What the frame says of itself in the clear. Nothing of it is to be believed yet.

    Raises:
        Truncated: shorter than the smallest frame.
        BadMagic: another protocol or version.
    """
    if not frame or frame[0] != MAGIC:
        raise BadMagic("not a chatter frame of version 1")
    if len(frame) < OVERHEAD_BYTES:
        raise Truncated(f"a frame has at least {OVERHEAD_BYTES} bytes, this one {len(frame)}")
    counter = int.from_bytes(frame[HEADER_BYTES - COUNTER_BYTES : HEADER_BYTES], "big")
    return tuple.__new__(Header, (frame[1], frame[2 : 2 + LIFE_BYTES], counter))


def sent_by(frame: bytes, life: bytes) -> bool:
    """Whether a frame names this life as its sender, as ours do that come back to us."""
    return frame[2 : 2 + LIFE_BYTES] == life


class Opener:
    """Opens the frames of one sender on one channel."""

    __slots__ = ("_aead", "_label", "_nonce")

    def __init__(self, key: bytes, channel: Channel, label: bytes) -> None:
        self._aead = aead.best(key)
        self._label = label
        self._nonce = _nonce_prefix(channel)

    def open(self, frame: bytes) -> bytes:
        """The body of a frame that was sealed under this very key.

        Raises:
            BadSeal: it was not, or was altered since.
        """
        header = frame[:HEADER_BYTES]
        nonce = self._nonce + header[-COUNTER_BYTES:]
        return self._aead.open(nonce, header + self._label, frame[HEADER_BYTES:])


def open_frame(
    ring: KeyRing, channel: Channel, context: bytes, hint: int, frame: bytes
) -> tuple[bytes, Opener]:
    """The body of a frame, and what opened it, which the caller may now keep.

    Raises:
        UnknownKey: no key of the ring has the hint.
        BadSeal: none of those that have it opens the frame.
    """
    for which in ring.matching(hint):
        opener = Opener(ring.subkey(which, channel, context), channel, ring.label)
        try:
            return opener.open(frame), opener
        except BadSeal:
            continue
    raise BadSeal("authentication failed: altered, or meant for another channel or receiver")
