"""Every library that can seal: the extra ``test`` and the machine have all three, so none is left
untested unnoticed."""

from chatter.wire.aead import Aead
from chatter.wire.aead.by_cryptography import CryptographyAead
from chatter.wire.aead.by_libcrypto import LibcryptoAead
from chatter.wire.aead.by_pycryptodome import PycryptodomeAead

BACKENDS: list[type[Aead]] = [CryptographyAead, LibcryptoAead, PycryptodomeAead]
