"""OCB3 from the OpenSSL within ``cryptography``. Importing this fails where that is missing."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESOCB3

from chatter.errors import BadSeal


class CryptographyAead:
    """See Aead."""

    __slots__ = ("_cipher", "key")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._cipher = AESOCB3(key)

    def seal(self, nonce: bytes, associated: bytes, body: bytes) -> bytes:
        """See Aead."""
        return self._cipher.encrypt(nonce, body, associated)

    def open(self, nonce: bytes, associated: bytes, sealed: bytes) -> bytes:
        """See Aead."""
        try:
            return self._cipher.decrypt(nonce, sealed, associated)
        except InvalidTag:
            raise BadSeal("authentication failed") from None
