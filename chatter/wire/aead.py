"""The authenticated cipher, and nothing else: the one place that names the cryptographic library.

AES-256-OCB3 from pycryptodome: of its authenticated modes the cheapest for one frame.
Source: RFC 7253, "The OCB Authenticated-Encryption Algorithm".
"""

from __future__ import annotations

from Crypto.Cipher import AES

from chatter.errors import BadSeal

TAG_BYTES = 16
NONCE_BYTES = 12


def seal(key: bytes, nonce: bytes, associated: bytes, body: bytes) -> bytes:
    """Ciphertext and tag. The nonce must never have been used with this key."""
    cipher = AES.new(key, AES.MODE_OCB, nonce=nonce, mac_len=TAG_BYTES)
    cipher.update(associated)
    sealed, tag = cipher.encrypt_and_digest(body)
    return sealed + tag


def open_sealed(key: bytes, nonce: bytes, associated: bytes, sealed: bytes) -> bytes:
    """The body behind ciphertext and tag.

    Raises:
        BadSeal: key, nonce, associated data or a byte of the ciphertext is another.
    """
    cipher = AES.new(key, AES.MODE_OCB, nonce=nonce, mac_len=TAG_BYTES)
    cipher.update(associated)
    try:
        return cipher.decrypt_and_verify(sealed[:-TAG_BYTES], sealed[-TAG_BYTES:])
    except ValueError:
        raise BadSeal("authentication failed") from None
