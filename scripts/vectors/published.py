"""Results that others published, and their source; `primitives` has to reach them first."""

from __future__ import annotations

from typing import Any

from scripts.vectors.primitives import hkdf_expand, hkdf_extract, leb128, ocb_encrypt

# DWARF 5, section 7.6, examples of unsigned LEB128.
LEB128 = [(2, "02"), (127, "7f"), (128, "8001"), (129, "8101"), (12857, "b964")]

# RFC 7253, appendix A: AES-128, a tag of 128 bits; nonce, associated data, plaintext, ciphertext.
OCB_KEY = "000102030405060708090a0b0c0d0e0f"
OCB = [
    ("bbaa99887766554433221100", "", "", "785407bfffc8ad9edcc5520ac9111ee6"),
    (
        "bbaa99887766554433221101",
        "0001020304050607",
        "0001020304050607",
        "6820b3657b6f615a5725bda0d3b4eb3a257c9af1f8f03009",
    ),
    (
        "bbaa99887766554433221102",
        "0001020304050607",
        "",
        "81017f8203f081277152fade694a0a00",
    ),
    (
        "bbaa99887766554433221103",
        "",
        "0001020304050607",
        "45dd69f8f5aae72414054cd1f35d82760b2cd00d2f99bfa9",
    ),
    (
        "bbaa99887766554433221104",
        "000102030405060708090a0b0c0d0e0f",
        "000102030405060708090a0b0c0d0e0f",
        "571d535b60b277188be5147170a9a22c3ad7a4ff3835b8c5701c1ccec8fc3358",
    ),
]
# RFC 7253, appendix A: 385 encryptions under one key in turn, AES-256 and a tag of 128 bits.
OCB_256_ITERATED = "d90eb8e9c977c88b79dd793d7ffa161c"

# RFC 5869, appendix A.1.
HKDF = {
    "ikm": "0b" * 22,
    "salt": "000102030405060708090a0b0c",
    "info": "f0f1f2f3f4f5f6f7f8f9",
    "prk": "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
    "okm": "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
}


def check() -> None:
    """Stop if `primitives` disagrees with what was published."""
    for value, encoded in LEB128:
        assert leb128(value).hex() == encoded, value
    key = bytes.fromhex(OCB_KEY)
    for nonce, associated, plain, sealed in OCB:
        made = ocb_encrypt(key, *(bytes.fromhex(one) for one in (nonce, associated, plain)))
        assert made.hex() == sealed, nonce
    assert _iterated(bytes(31) + b"\x80").hex() == OCB_256_ITERATED
    prk = hkdf_extract(bytes.fromhex(HKDF["salt"]), bytes.fromhex(HKDF["ikm"]))
    assert prk.hex() == HKDF["prk"]
    assert hkdf_expand(prk, bytes.fromhex(HKDF["info"]), 42).hex() == HKDF["okm"]


def vectors() -> dict[str, Any]:
    """The published results as a vector file."""
    return {
        "leb128": [{"value": value, "hex": encoded} for value, encoded in LEB128],
        "ocb": [
            {
                "key": OCB_KEY,
                "nonce": nonce,
                "associated": associated,
                "plain": plain,
                "hex": sealed,
            }
            for nonce, associated, plain, sealed in OCB
        ],
        "ocb_256_iterated": {"key": (bytes(31) + b"\x80").hex(), "hex": OCB_256_ITERATED},
        "hkdf": HKDF,
    }


def _iterated(key: bytes) -> bytes:
    out = b""
    for i in range(128):
        some = bytes(i)
        for step, (associated, plain) in enumerate(((some, some), (b"", some), (some, b"")), 1):
            out += ocb_encrypt(key, (3 * i + step).to_bytes(12, "big"), associated, plain)
    return ocb_encrypt(key, (385).to_bytes(12, "big"), out, b"")
