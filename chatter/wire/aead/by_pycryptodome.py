"""OCB3 from pycryptodome, of its authenticated modes the cheapest for one frame."""

from __future__ import annotations

from Crypto.Cipher import AES

from chatter.errors import BadSeal
from chatter.wire.aead.cipher import TAG_BYTES


class PycryptodomeAead:
    """See Aead."""

    __slots__ = ("key",)

    def __init__(self, key: bytes) -> None:
        self.key = key

    def seal(self, nonce: bytes, associated: bytes, body: bytes) -> bytes:
        """See Aead."""
        cipher = AES.new(self.key, AES.MODE_OCB, nonce=nonce, mac_len=TAG_BYTES)
        cipher.update(associated)
        sealed, tag = cipher.encrypt_and_digest(body)
        return sealed + tag

    def open(self, nonce: bytes, associated: bytes, sealed: bytes) -> bytes:
        """See Aead."""
        cipher = AES.new(self.key, AES.MODE_OCB, nonce=nonce, mac_len=TAG_BYTES)
        cipher.update(associated)
        try:
            return cipher.decrypt_and_verify(sealed[:-TAG_BYTES], sealed[-TAG_BYTES:])
        except ValueError:
            raise BadSeal("authentication failed") from None
