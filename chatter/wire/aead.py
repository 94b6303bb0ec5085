"""The authenticated cipher, and nothing else: the one place that names a cryptographic library.

AES-256-OCB3 (RFC 7253, "The OCB Authenticated-Encryption Algorithm"), the same bytes from both:
pycryptodome, which every installation has and where a frame costs 14 to 18 us whatever its size, or
``cryptography``, where it costs 1 to 2 us: the extra ``fast``, used wherever it can be imported.
"""

from __future__ import annotations

from typing import Protocol

from Crypto.Cipher import AES

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESOCB3
except ImportError:
    _HAS_CRYPTOGRAPHY = False
else:
    _HAS_CRYPTOGRAPHY = True

from chatter.errors import BadSeal

TAG_BYTES = 16
NONCE_BYTES = 12


class Aead(Protocol):
    """One key, ready for use."""

    key: bytes

    def __init__(self, key: bytes) -> None: ...

    def seal(self, nonce: bytes, associated: bytes, body: bytes) -> bytes:
        """Ciphertext and tag. The nonce must never have been used with this key."""

    def open(self, nonce: bytes, associated: bytes, sealed: bytes) -> bytes:
        """The body behind ciphertext and tag.

        Raises:
            BadSeal: key, nonce, associated data or a byte of the ciphertext is another.
        """


class PycryptodomeAead:
    """OCB3 from pycryptodome, of its authenticated modes the cheapest for one frame."""

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


class CryptographyAead:
    """OCB3 from OpenSSL, through ``cryptography``. Usable only where that can be imported."""

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


BACKENDS: list[type[Aead]] = [PycryptodomeAead]
if _HAS_CRYPTOGRAPHY:
    BACKENDS.append(CryptographyAead)

best: type[Aead] = BACKENDS[-1]
"""The fastest that is installed."""
