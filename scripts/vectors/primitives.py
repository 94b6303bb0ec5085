"""What the format stands on, from the texts that define it: LEB128, HKDF, OCB3, LZ4 blocks."""

from __future__ import annotations

import hashlib
import hmac

from Crypto.Cipher import AES

BLOCK = 16


def leb128(value: int) -> bytes:
    """An unsigned number, seven bits a byte. Source: DWARF 5, section 7.6."""
    out = bytearray()
    while True:
        byte, value = value % 128, value // 128
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte + 128)


def zigzag(value: int) -> int:
    """0, -1, 1, -2 as 0, 1, 2, 3."""
    return 2 * value if value >= 0 else -2 * value - 1


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    """The pseudorandom key. Source: RFC 5869, section 2.2."""
    return hmac.new(salt, secret, hashlib.sha256).digest()


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """Keys from the pseudorandom key. Source: RFC 5869, section 2.3."""
    out = block = b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.new(prk, block + info + bytes([number]), hashlib.sha256).digest()
        out += block
    return out[:length]


def _double(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = number & ((1 << 128) - 1) ^ 0x87
    return number.to_bytes(BLOCK, "big")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def ocb_encrypt(key: bytes, nonce: bytes, associated: bytes, plain: bytes) -> bytes:
    """Ciphertext and a tag of 16 bytes, from single AES blocks. Source: RFC 7253, section 4."""
    encipher = AES.new(key, AES.MODE_ECB).encrypt
    l_star = encipher(bytes(BLOCK))
    l_dollar = _double(l_star)

    def l_at(block_number: int) -> bytes:
        trailing_zeros = (block_number & -block_number).bit_length() - 1
        value = _double(l_dollar)
        for _ in range(trailing_zeros):
            value = _double(value)
        return value

    # Nonce: 7 bits of tag length (0 stands for 128), zeros, a one, the nonce itself.
    padded = bytearray(BLOCK - len(nonce)) + nonce
    padded[BLOCK - len(nonce) - 1] |= 1
    bottom = padded[-1] & 63
    padded[-1] &= 0b11000000
    top = encipher(bytes(padded))
    stretch = int.from_bytes(top + _xor(top[:8], top[1:9]), "big")
    offset = (stretch >> (64 - bottom) & ((1 << 128) - 1)).to_bytes(BLOCK, "big")

    checksum = bytes(BLOCK)
    out = b""
    whole = len(plain) // BLOCK
    for number in range(1, whole + 1):
        block = plain[(number - 1) * BLOCK : number * BLOCK]
        offset = _xor(offset, l_at(number))
        out += _xor(offset, encipher(_xor(block, offset)))
        checksum = _xor(checksum, block)
    last = plain[whole * BLOCK :]
    if last:
        offset = _xor(offset, l_star)
        out += _xor(last, encipher(offset)[: len(last)])
        checksum = _xor(checksum, (last + b"\x80").ljust(BLOCK, b"\0"))
    tag = encipher(_xor(_xor(checksum, offset), l_dollar))

    total = offset = bytes(BLOCK)
    whole = len(associated) // BLOCK
    for number in range(1, whole + 1):
        offset = _xor(offset, l_at(number))
        block = associated[(number - 1) * BLOCK : number * BLOCK]
        total = _xor(total, encipher(_xor(block, offset)))
    last = associated[whole * BLOCK :]
    if last:
        offset = _xor(offset, l_star)
        total = _xor(total, encipher(_xor((last + b"\x80").ljust(BLOCK, b"\0"), offset)))
    return out + _xor(tag, total)


def lz4_block(data: bytes) -> bytes:
    """One LZ4 block, greedy and with matches of at least four bytes.

    Source: the LZ4 block format, https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md; at
    the end of a block five bytes are literals, and the last match starts 12 bytes before it.
    """
    out = bytearray()
    seen: dict[bytes, int] = {}
    start = pos = 0
    while pos <= len(data) - 12:
        word = data[pos : pos + 4]
        match = seen.get(word)
        seen[word] = pos
        if match is None or pos - match > 65535:
            pos += 1
            continue
        length = 4
        while pos + length < len(data) - 5 and data[match + length] == data[pos + length]:
            length += 1
        out += _lz4_sequence(data[start:pos], length) + (pos - match).to_bytes(2, "little")
        if length - 4 >= 15:
            out += _lz4_length(length - 4 - 15)
        pos = start = pos + length
    return bytes(out + _lz4_sequence(data[start:], 4))


def _lz4_sequence(literals: bytes, match_length: int) -> bytes:
    token = min(len(literals), 15) << 4 | min(match_length - 4, 15)
    more = _lz4_length(len(literals) - 15) if len(literals) >= 15 else b""
    return bytes([token]) + more + literals


def _lz4_length(rest: int) -> bytes:
    return b"\xff" * (rest // 255) + bytes([rest % 255])
