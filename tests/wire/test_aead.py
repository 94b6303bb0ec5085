"""The cipher: the same bytes from every library, and one error for whatever does not open."""

from __future__ import annotations

import pytest

from chatter.errors import BadSeal
from chatter.wire import aead

KEY, NONCE, HEADER, BODY = bytes(range(32)), bytes(range(12)), b"header", b"body" * 50


def test_both_libraries_are_tried_here() -> None:
    """The extra ``test`` installs both, so none is left untested unnoticed."""
    assert [aead.PycryptodomeAead, aead.CryptographyAead] == aead.BACKENDS
    assert aead.best is aead.CryptographyAead


def test_what_one_seals_the_other_opens() -> None:
    sealed = {backend(KEY).seal(NONCE, HEADER, BODY) for backend in aead.BACKENDS}
    assert len(sealed) == 1
    for backend in aead.BACKENDS:
        assert backend(KEY).open(NONCE, HEADER, *sealed) == BODY


@pytest.mark.parametrize("backend", aead.BACKENDS)
def test_whatever_was_altered_is_a_bad_seal(backend: type[aead.Aead]) -> None:
    sealed = backend(KEY).seal(NONCE, HEADER, BODY)
    for key, nonce, header, data in (
        (bytes(32), NONCE, HEADER, sealed),
        (KEY, bytes(12), HEADER, sealed),
        (KEY, NONCE, b"", sealed),
        (KEY, NONCE, HEADER, sealed[:-1]),
        (KEY, NONCE, HEADER, sealed[:15]),
        (KEY, NONCE, HEADER, b""),
        (KEY, NONCE, HEADER, bytes([sealed[0] ^ 1]) + sealed[1:]),
    ):
        with pytest.raises(BadSeal):
            backend(key).open(nonce, header, data)
