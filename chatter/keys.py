"""The cluster's key as a text that a person can copy: versioned, and with a checksum.

``chatter1:`` and the URL-safe base64 of 32 secret bytes and the first 4 bytes of their SHA-256. The
checksum finds a lost or mistyped character at once; a passphrase is refused, because 32 random
bytes cannot be guessed and a passphrase can.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

from chatter.errors import MissingKey

KEY_BYTES = 32
_PREFIX = "chatter1:"
_CHECKSUM_BYTES = 4
_HOW = "make one with `chatter keygen` and give the same text to every node of the cluster"


def generate_key() -> str:
    """A new random key as text, for ``key=``, ``CHATTER_KEY`` or a key file."""
    return format_key(secrets.token_bytes(KEY_BYTES))


def format_key(secret: bytes) -> str:
    """The text of 32 secret bytes."""
    return _PREFIX + base64.urlsafe_b64encode(secret + _checksum(secret)).decode()


def parse_key(text: str) -> bytes:
    """The 32 secret bytes of a key's text.

    Raises:
        MissingKey: not such a text. The message never repeats what was given.
    """
    body = text.strip()
    if not body.startswith(_PREFIX):
        raise MissingKey(f"the key is not one that chatter made (no passphrases): {_HOW}")
    try:
        raw = base64.b64decode(body[len(_PREFIX) :], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise MissingKey(f"the key is damaged (not base64): copy it again, or {_HOW}") from None
    secret, checksum = raw[:KEY_BYTES], raw[KEY_BYTES:]
    if len(secret) != KEY_BYTES or checksum != _checksum(secret):
        raise MissingKey(f"the key is damaged (its checksum differs): copy it again, or {_HOW}")
    return secret


def _checksum(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()[:_CHECKSUM_BYTES]
