"""A key's text: made, read, and refused without ever being repeated."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatter.errors import ConfigError, MissingKey
from chatter.keys import KEY_BYTES, format_key, generate_key, parse_key

SECRET = bytes(range(32))
TEXT = format_key(SECRET)


@settings(derandomize=True)
@given(st.binary(min_size=32, max_size=32), st.sampled_from(["", " ", "\n", "\r\n\t"]))
def test_round_trip(secret: bytes, around: str) -> None:
    assert parse_key(around + format_key(secret) + around) == secret


def test_every_generated_key_is_another() -> None:
    keys = {generate_key() for _ in range(100)}

    assert len(keys) == 100
    assert {len(parse_key(key)) for key in keys} == {KEY_BYTES}
    # It goes into environments, files and shells: nothing in it needs quoting.
    assert all(key.replace(":", "").replace("-", "").replace("_", "").isalnum() for key in keys)


@pytest.mark.parametrize("at", range(len("chatter1:"), len(TEXT)))
def test_one_mistyped_character_is_noticed(at: int) -> None:
    wrong = TEXT[:at] + ("A" if TEXT[at] != "A" else "B") + TEXT[at + 1 :]

    with pytest.raises(MissingKey, match="damaged"):
        parse_key(wrong)


@pytest.mark.parametrize("length", range(len(TEXT)))
def test_a_text_that_was_cut_is_noticed(length: int) -> None:
    with pytest.raises(MissingKey):
        parse_key(TEXT[:length])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "correct horse battery staple",
        SECRET.hex(),
        base64.b64encode(SECRET).decode(),
        TEXT.removeprefix("chatter1:"),
        "chatter2:" + TEXT.removeprefix("chatter1:"),
        "Chatter1:" + TEXT.removeprefix("chatter1:"),
        TEXT + "A",
        TEXT + "AAAA",
        TEXT.replace(":", ": "),
        TEXT[:20] + "\n" + TEXT[20:],
        TEXT[:-1] + "é",
        format_key(SECRET[:31]),
        format_key(SECRET + b"\0"),
        format_key(b""),
    ],
)
def test_anything_else_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ConfigError, match="chatter keygen") as caught:
        parse_key(text)

    assert isinstance(caught.value, MissingKey)
    for part in (text, text.removeprefix("chatter1:")):
        assert not part or part not in str(caught.value)
