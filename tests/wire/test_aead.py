"""The cipher: the same bytes from every library, and one error for whatever does not open."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatter.errors import BadSeal
from chatter.wire import aead
from chatter.wire.aead import by_libcrypto
from chatter.wire.aead.by_libcrypto import LibcryptoAead
from tests.wire.backends import BACKENDS

KEY, NONCE, HEADER, BODY = bytes(range(32)), bytes(range(12)), b"header", b"body" * 50


def best_without(*modules: str) -> str:
    """What is taken, and whether pycryptodome was loaded, in a process that can't import these."""
    program = (
        f"import sys\nfor name in {modules!r}: sys.modules[name] = None\n"
        "from chatter.wire import aead\nprint(aead.best.__name__, 'Crypto' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def test_the_fastest_that_is_there_is_taken_and_the_slowest_not_even_loaded() -> None:
    assert best_without() == "CryptographyAead False"
    assert best_without("cryptography") == "LibcryptoAead False"
    assert best_without("cryptography", "chatter.wire.aead.by_libcrypto") == "PycryptodomeAead True"


CHANGED = """
import ctypes, sys
real = ctypes.PyDLL
class Changed:
    def __init__(self, name): self.library = real(name)
    def __getitem__(self, name):
        name = instead.get(name, name)
        if name is None: raise AttributeError(name)
        return self.library[name]
ctypes.PyDLL = Changed
sys.modules['cryptography'] = None
from chatter.wire import aead
print(aead.best.__name__)
"""


@pytest.mark.parametrize(
    "instead",
    [
        {"EVP_CIPHER_CTX_new": None},
        {"EVP_aes_256_ocb": None},
        {"EVP_aes_256_ocb": "EVP_aes_256_gcm"},
        {"EVP_aes_256_ocb": "ERR_peek_error"},
    ],
    ids=["no EVP", "built without OCB", "seals something else", "names no cipher"],
)
def test_an_openssl_that_cannot_do_it_is_passed_over(instead: dict[str, str | None]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"instead = {instead!r}{CHANGED}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "PycryptodomeAead", done.stderr


def test_without_openssl_pycryptodome_seals() -> None:
    program = CHANGED.replace("self.library = real(name)", "raise OSError('no such file')")
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "PycryptodomeAead", done.stderr


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 200, 1024, 65000])
def test_what_one_seals_the_others_open(size: int) -> None:
    body = (BODY * (size // len(BODY) + 1))[:size]
    for associated in (b"", HEADER, HEADER * 10):
        sealed = {backend(KEY).seal(NONCE, associated, body) for backend in BACKENDS}
        assert len(sealed) == 1
        for backend in BACKENDS:
            assert backend(KEY).open(NONCE, associated, *sealed) == body


@pytest.mark.parametrize("backend", BACKENDS)
def test_whatever_was_altered_is_a_bad_seal(backend: type[aead.Aead]) -> None:
    sealed = backend(KEY).seal(NONCE, HEADER, BODY)
    cipher = backend(KEY)
    for other, nonce, header, data in (
        (backend(bytes(32)), NONCE, HEADER, sealed),
        (cipher, bytes(12), HEADER, sealed),
        (cipher, NONCE, b"", sealed),
        (cipher, NONCE, HEADER, sealed[:-1]),
        (cipher, NONCE, HEADER, sealed[:16]),
        (cipher, NONCE, HEADER, sealed[:15]),
        (cipher, NONCE, HEADER, b""),
        (cipher, NONCE, HEADER, bytes([sealed[0] ^ 1]) + sealed[1:]),
        (cipher, NONCE, HEADER, sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(BadSeal):
            other.open(nonce, header, data)
    assert cipher.open(NONCE, HEADER, sealed) == BODY  # and forgets what did not open


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cipher_seals_and_opens_in_turn(backend: type[aead.Aead]) -> None:
    one, other = backend(KEY), backend(KEY)
    for number in range(50):
        nonce, body = number.to_bytes(12, "big"), bytes(number)
        assert other.open(nonce, HEADER, one.seal(nonce, HEADER, body)) == body
        assert one.open(nonce, HEADER, other.seal(nonce, HEADER, body)) == body


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_does_not_open_leaves_nothing_for_ssl_to_stumble_over(
    backend: type[aead.Aead],
) -> None:
    """OpenSSL keeps a list of errors for each thread, which Python's ssl reads as its own."""
    program = (
        f"from {backend.__module__} import {backend.__name__} as Backend\n"
        "import ctypes\n"
        "try: Backend(bytes(32)).open(bytes(12), b'', bytes(40))\n"
        "except Exception as error: print(type(error).__name__, end=' ')\n"
        "print(ctypes.PyDLL('libcrypto.so.3').ERR_peek_error())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["BadSeal", "0"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_contexts_are_not_copied(copied: Callable[[object], object]) -> None:
    """They belong to OpenSSL, and would be freed twice."""
    cipher = LibcryptoAead(KEY)
    cipher.seal(NONCE, HEADER, BODY)
    with pytest.raises(TypeError, match="cannot be copied"):
        copied(cipher)


@pytest.mark.parametrize("size", [0, 11, 13, 16])
def test_a_nonce_of_another_size_is_refused(size: int) -> None:
    """OpenSSL would take the first 12 bytes, and two nonces for one."""
    cipher = LibcryptoAead(KEY)
    for call in (cipher.seal, cipher.open):
        with pytest.raises(ValueError, match="12 bytes"):
            call(bytes(size), HEADER, BODY)


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="16 or 32 bytes, not 24"):
        LibcryptoAead(bytes(24)).seal(NONCE, HEADER, BODY)


def test_a_cipher_that_cannot_begin_says_so_and_leaves_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a policy forbids it after the check."""
    monkeypatch.setattr(by_libcrypto, "_CIPHERS", {32: lambda: None})
    with pytest.raises(RuntimeError, match="refused to run OCB"):
        LibcryptoAead(KEY).seal(NONCE, HEADER, BODY)
    assert by_libcrypto._LIBRARY["ERR_peek_error"]() == 0


def test_what_a_cipher_took_is_given_back() -> None:
    """About 3 KB each: 20,000 that were kept would be 60 MB."""

    def resident_mib() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def use(count: int) -> None:
        for _ in range(count):
            cipher = LibcryptoAead(KEY)
            cipher.open(NONCE, HEADER, cipher.seal(NONCE, HEADER, BODY))

    use(100)
    before = resident_mib()
    use(20_000)
    assert resident_mib() - before < 20
