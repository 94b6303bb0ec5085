"""Every explanation says what happened and what to do, and names what it is about."""

from __future__ import annotations

import errno

import pytest

from chatter.net.explain import (
    BIND_ERRORS,
    JOIN_ERRORS,
    SEND_ERRORS,
    explain_bind_error,
    explain_join_error,
    explain_multicast_error,
)
from chatter.net.interfaces import Interface

ETH = Interface(7, "eth7", "192.0.2.9", 1400, False)
UNKNOWN = [errno.EXDEV]


def named(codes: list[int]) -> list[object]:
    return [pytest.param(code, id=errno.errorcode[code]) for code in codes]


def advice_of(sentence: str) -> str:
    """What follows the first semicolon; fails on a sentence without, or with a hole unfilled."""
    assert not set("{}\n") & set(sentence)
    _meaning, semicolon, advice = sentence.partition("; ")
    assert semicolon
    return advice


@pytest.mark.parametrize("code", named([*BIND_ERRORS, *UNKNOWN]))
def test_bind(code: int) -> None:
    sentence = explain_bind_error(OSError(code, ""), "192.0.2.9", 29999)
    assert sentence.startswith("address: ")
    assert len(advice_of(sentence).split()) >= 4


@pytest.mark.parametrize("group", ["239.1.2.3", "ff05::1"])
@pytest.mark.parametrize("code", named([*JOIN_ERRORS, *UNKNOWN]))
def test_join(code: int, group: str) -> None:
    meaning, advice = explain_join_error(OSError(code, ""), group, 29999, ETH)
    assert meaning.startswith(
        f"multicast group {group} port 29999 cannot be used on eth7 (192.0.2.9): "
    )
    assert len(advice_of(f"{meaning}; {advice}").split()) >= 4


@pytest.mark.parametrize("group", ["239.1.2.3", "ff05::1"])
@pytest.mark.parametrize("code", named([*SEND_ERRORS, *UNKNOWN]))
def test_send(code: int, group: str) -> None:
    sentence = explain_multicast_error(OSError(code, ""), group, ETH)
    assert sentence.startswith(f"sending to multicast group {group} on eth7 (192.0.2.9) failed: ")
    assert len(advice_of(sentence).split()) >= 4


def test_an_error_without_a_number_keeps_its_text() -> None:
    assert "raw {text}" in explain_bind_error(OSError("raw {text}"), "192.0.2.9", 1)


def test_a_missing_route_is_given_for_the_right_ip_version() -> None:
    gone = OSError(errno.ENETUNREACH, "")
    assert "`ip route add 224.0.0.0/4 dev eth7`" in explain_multicast_error(gone, "239.1.2.3", ETH)
    assert "`ip -6 route add multicast ff00::/8 table local dev eth7`" in explain_multicast_error(
        gone, "ff05::1", ETH
    )
