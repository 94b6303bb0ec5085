"""The authenticated cipher, and nothing else: the one place that names cryptographic libraries.

AES-256-OCB3 (RFC 7253, "The OCB Authenticated-Encryption Algorithm"), the same bytes from each of:

``cryptography``
    less than a microsecond for a small frame; the extra ``fast``.
OpenSSL 3 itself
    two to three; nearly every Linux has it, as Python's own ``ssl`` needs it.
pycryptodome
    13 to 19, whatever the size; every installation has it.

The first that can be imported is taken, and the others are not even loaded.
"""

from __future__ import annotations

from chatter.wire.aead.cipher import NONCE_BYTES, TAG_BYTES, Aead

__all__ = ["NONCE_BYTES", "TAG_BYTES", "Aead", "best"]


def _best() -> type[Aead]:
    try:
        from chatter.wire.aead.by_cryptography import CryptographyAead
    except ImportError:
        pass
    else:
        return CryptographyAead
    try:
        from chatter.wire.aead.by_libcrypto import LibcryptoAead
    except ImportError:
        pass
    else:
        return LibcryptoAead
    from chatter.wire.aead.by_pycryptodome import PycryptodomeAead

    return PycryptodomeAead


best: type[Aead] = _best()
"""The fastest that is installed."""
