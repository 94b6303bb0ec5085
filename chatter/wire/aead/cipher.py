"""What the authenticated cipher is, whichever library it comes from."""

from __future__ import annotations

from typing import Protocol

TAG_BYTES = 16
NONCE_BYTES = 12


class Aead(Protocol):
    """One key, ready for use by one thread at a time."""

    key: bytes

    def __init__(self, key: bytes) -> None: ...

    def seal(self, nonce: bytes, associated: bytes, body: bytes) -> bytes:
        """Ciphertext and tag. The nonce must never have been used with this key."""

    def open(self, nonce: bytes, associated: bytes, sealed: bytes) -> bytes:
        """The body behind ciphertext and tag.

        Raises:
            BadSeal: key, nonce, associated data or a byte of the ciphertext is another.
        """
