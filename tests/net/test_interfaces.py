"""Interfaces of this machine, found by address."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from chatter.errors import ConfigError
from chatter.net.interfaces import default_address, interface_of, interfaces


def test_default_address_is_one_of_this_machines_own() -> None:
    assert interface_of(default_address()).ip == default_address()


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.0.0.5", "127.255.255.254"])
def test_all_of_127_is_the_loopback_interface(ip: str) -> None:
    found = interface_of(ip)
    assert (found.ip, found.loopback, found.up) == (ip, True, True)
    assert found.index == socket.if_nametoindex(found.name)
    assert found.mtu > 1500


def test_every_address_listed_is_found_and_valid() -> None:
    listed = interfaces()
    assert "127.0.0.1" in {interface.ip for interface in listed}
    for interface in listed:
        assert ipaddress.ip_address(interface.ip)
        assert socket.if_indextoname(interface.index) == interface.name
        assert interface.mtu >= 68
        assert (
            interface_of(
                f"{interface.ip}%{interface.name}" if ":" in interface.ip else interface.ip
            )
            == interface
        )


def test_an_address_of_nobody_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.213.*127\.0\.0\.1") as caught:
        interface_of("192.0.2.213")
    assert str(caught.value).startswith("interface: ")


@pytest.mark.parametrize("ip", ["0.0.0.0", "::"])
def test_a_wildcard_is_no_interface(ip: str) -> None:
    with pytest.raises(ConfigError, match="every interface"):
        interface_of(ip)


@pytest.mark.parametrize("ip", ["", "eth0", "1.2.3", "127.0.0.1:80"])
def test_what_is_no_address_is_refused_in_words(ip: str) -> None:
    with pytest.raises(ConfigError, match="is not an IP address"):
        interface_of(ip)
