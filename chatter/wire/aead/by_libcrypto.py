"""OCB3 from the system's OpenSSL 3: the libcrypto that Python's own ``ssl`` and ``hashlib`` run on.

Called through ctypes by OpenSSL's documented and stable interface, EVP_EncryptInit(3). One context
for each direction keeps the key's schedule, which pycryptodome computes anew for each frame.
Importing this fails where there is no such library, or none whose OCB works.
"""

from __future__ import annotations

# ``hashlib`` first: it loads the libcrypto of this Python, and a library that is loaded already is
# found by its name wherever it lies (conda keeps one of its own, beside that of the system).
import ctypes
import hashlib  # noqa: F401
from typing import Any, NoReturn

from chatter.errors import BadSeal
from chatter.wire.aead.cipher import NONCE_BYTES, TAG_BYTES

# The name that all of OpenSSL 3 has; those of before get no more security fixes.
_NAME = "libcrypto.so.3"

# The interpreter's lock is kept in the meantime: a frame takes some microseconds.
try:
    _LIBRARY = ctypes.PyDLL(_NAME)
except OSError as error:
    raise ImportError(f"no {_NAME} here: {error}") from error


def _function(name: str, result: Any, *arguments: Any) -> ctypes._NamedFuncPointer:
    try:
        # By index: as an attribute it would be one object for all, with one list of argument types.
        function = _LIBRARY[name]
    except AttributeError as error:
        raise ImportError(f"{_NAME} has no {name}") from error
    function.restype, function.argtypes = result, arguments
    return function


_INT, _POINTER, _BYTES = ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p

_new_context = _function("EVP_CIPHER_CTX_new", _POINTER)
_free_context = _function("EVP_CIPHER_CTX_free", None, _POINTER)
_begin_sealing = _function("EVP_EncryptInit_ex", _INT, _POINTER, _POINTER, _POINTER, _BYTES, _BYTES)
_begin_opening = _function("EVP_DecryptInit_ex", _INT, _POINTER, _POINTER, _POINTER, _BYTES, _BYTES)
_seal_more = _function("EVP_EncryptUpdate", _INT, _POINTER, _POINTER, _POINTER, _BYTES, _INT)
_open_more = _function("EVP_DecryptUpdate", _INT, _POINTER, _POINTER, _POINTER, _BYTES, _INT)
_seal_last = _function("EVP_EncryptFinal_ex", _INT, _POINTER, _POINTER, _POINTER)
_open_last = _function("EVP_DecryptFinal_ex", _INT, _POINTER, _POINTER, _POINTER)
_get_tag = _function("EVP_CIPHER_CTX_ctrl", _INT, _POINTER, _INT, _INT, _POINTER)
_set_tag = _function("EVP_CIPHER_CTX_ctrl", _INT, _POINTER, _INT, _INT, _BYTES)
_forget_errors = _function("ERR_clear_error", None)

# By the length of the key. Frames are sealed with 32 bytes; the published vectors have 16.
_CIPHERS = {16: _function("EVP_aes_128_ocb", _POINTER), 32: _function("EVP_aes_256_ocb", _POINTER)}

# Of openssl/evp.h: EVP_CTRL_AEAD_GET_TAG and EVP_CTRL_AEAD_SET_TAG.
_GET_TAG, _SET_TAG = 0x10, 0x11

# What pycryptodome and `cryptography` make of the check below; test_aead.py has all three agree.
_KNOWN = (
    "b271bb69c3e1b79629cb362807319a03d4439c9923f10f8dbad35e2b3d8aa1ee"
    "96a530994f8394ec28ace1b2483d87a36faf4f9d1a6c58a1"
)

_NONCE = f"a nonce has {NONCE_BYTES} bytes"

_address, _first_byte = ctypes.addressof, ctypes.c_char.from_buffer


class LibcryptoAead:
    """See Aead."""

    __slots__ = ("_length", "_length_at", "_opening", "_sealing", "key")

    def __init__(self, key: bytes) -> None:
        self._sealing: int | None = None
        self._opening: int | None = None
        self.key = key
        # Where libcrypto writes how much it wrote.
        self._length = _INT()
        self._length_at = _address(self._length)

    def __del__(self, free: ctypes._NamedFuncPointer = _free_context) -> None:
        # As a default: when the interpreter ends, the module's names may be gone before.
        free(getattr(self, "_sealing", None))
        free(getattr(self, "_opening", None))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a cipher cannot be copied: its contexts would be freed twice")

    def seal(self, nonce: bytes, associated: bytes, body: bytes) -> bytes:
        """See Aead."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError(_NONCE)
        context = self._sealing
        if context is None:
            context = self._sealing = self._context(_begin_sealing)
        size, length_at = len(body), self._length_at
        out = bytearray(size + TAG_BYTES)
        out_at = _address(_first_byte(out))
        if not (
            _begin_sealing(context, None, None, None, nonce)
            and _seal_more(context, None, length_at, associated, len(associated))
            and _seal_more(context, out_at, length_at, body, size)
            and _seal_last(context, out_at + self._length.value, length_at)
            and _get_tag(context, _GET_TAG, TAG_BYTES, out_at + size)
        ):
            raise _broken()
        return bytes(out)

    def open(self, nonce: bytes, associated: bytes, sealed: bytes) -> bytes:
        """See Aead."""
        if len(nonce) != NONCE_BYTES:
            raise ValueError(_NONCE)
        context = self._opening
        if context is None:
            context = self._opening = self._context(_begin_opening)
        size, length_at = len(sealed) - TAG_BYTES, self._length_at
        if size < 0:
            raise BadSeal("authentication failed")
        # One byte at least: there is no pointer into nothing.
        out = bytearray(size or 1)
        out_at = _address(_first_byte(out))
        if not (
            _begin_opening(context, None, None, None, nonce)
            and _set_tag(context, _SET_TAG, TAG_BYTES, sealed[size:])
            and _open_more(context, None, length_at, associated, len(associated))
            and _open_more(context, out_at, length_at, sealed, size)
        ):
            raise _broken()
        if _open_last(context, out_at + self._length.value, length_at) != 1:
            _forget_errors()
            raise BadSeal("authentication failed")
        return bytes(out) if size else b""

    def _context(self, begin: ctypes._NamedFuncPointer) -> int:
        if len(self.key) not in _CIPHERS:
            raise ValueError(f"a key has 16 or 32 bytes, not {len(self.key)}")
        context: int | None = _new_context()
        if context is None or not begin(context, _CIPHERS[len(self.key)](), None, self.key, None):
            _free_context(context)
            raise _broken()
        return context


def _broken() -> RuntimeError:
    # What it noted would else be read by Python's ssl, which shares the library, as its own.
    _forget_errors()
    return RuntimeError(f"{_NAME} refused to run OCB: out of memory, or not allowed here (FIPS)")


def _check() -> None:
    """Compare with what other libraries seal: some are built without OCB, or forbid it (FIPS).

    Raises:
        ImportError: it is not the same.
    """
    cipher = LibcryptoAead(bytes(range(32)))
    nonce, body = bytes(range(NONCE_BYTES)), bytes(range(40))
    try:
        sealed = cipher.seal(nonce, b"chatter", body)
        opened = cipher.open(nonce, b"chatter", sealed)
    except (RuntimeError, BadSeal) as error:
        raise ImportError(str(error)) from error
    if sealed.hex() != _KNOWN or opened != body:
        raise ImportError(f"{_NAME} seals otherwise than RFC 7253 says")


_check()
