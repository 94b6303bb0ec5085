"""The variable length integer: LEB128, seven bits a byte, least significant group first.

Source: DWARF 5 section 7.6; the original chatter_ex encodes its integers in the same way.
"""

from __future__ import annotations

from chatter.errors import FrameError, Truncated

MAX_BITS = 64
_ONE_BYTE = tuple(bytes([n]) for n in range(128))


def encode_varint(value: int) -> bytes:
    """The shortest encoding of a number that is not negative."""
    if 0 <= value < 128:  # nearly every count, index and length
        return _ONE_BYTE[value]
    if 0 < value < 16384:
        return bytes((value & 127 | 128, value >> 7))
    if value < 0:
        raise ValueError("a varint holds no negative number")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes, pos: int, max_bits: int = MAX_BITS) -> tuple[int, int]:
    """The number at ``pos`` and the position behind it.

    Args:
        max_bits: the widest number accepted. IPv6 distances are wider than the usual 64.

    Raises:
        Truncated: the data end inside the number.
        FrameError: wider than ``max_bits``, or not the shortest encoding (two spellings of one
            number would let two spellings of one frame exist).
    """
    try:
        byte = data[pos]
        if byte < 128:
            return byte, pos + 1
        value = byte & 127
        byte = data[pos + 1]
        if 0 < byte < 128:  # up to 16383, as most others are
            return byte << 7 | value, pos + 2
        pos += 1
        shift = 7
        while True:
            byte = data[pos]
            pos += 1
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift >= max_bits:
                raise FrameError(f"a number of more than {max_bits} bits")
    except IndexError:
        raise Truncated("the data end inside a number") from None
    if byte == 0:
        raise FrameError("a number with a needless last byte")
    if value >> max_bits:
        raise FrameError(f"a number of more than {max_bits} bits")
    return value, pos


def zigzag(value: int) -> int:
    """A signed number as an unsigned one, small if it is: 0, -1, 1, -2 become 0, 1, 2, 3."""
    return value * 2 if value >= 0 else -value * 2 - 1


def unzigzag(value: int) -> int:
    """The signed number that ``zigzag`` made unsigned."""
    return value >> 1 if not value & 1 else -(value >> 1) - 1
