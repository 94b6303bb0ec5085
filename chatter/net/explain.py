"""What a socket error means to whoever runs the node, and what to do about it.

An errno is the kernel's word for many causes; which one it is depends on the call that failed. So
there is one table per situation (taking a port, joining a group, sending to a group), and each
entry is a pair: what it means, what to do.
"""

from __future__ import annotations

import errno
import os

from chatter.net.interfaces import Interface

_FILES = (
    "this process has as many open files as it may have",
    "raise its limit (ulimit -n, or LimitNOFILE= in systemd) or find what it leaves open",
)
_MEMORY = ("the kernel is out of memory for sockets", "free memory on this machine")

BIND_ERRORS = {
    errno.EADDRINUSE: (
        "port {port} of {ip} is taken by another process (TCP or UDP)",
        "stop that process (`ss -lntup` names it), choose another port, "
        "or use port 0 to let chatter pick a free one",
    ),
    errno.EADDRNOTAVAIL: (
        "{ip} is no address of this machine",
        "use one that `ip address` lists; where others reach this machine by another address (NAT, "
        "a container), put that one into `advertise`",
    ),
    errno.EACCES: (
        "this process may not use port {port}",
        "choose a port from 1024 up, or use port 0 to let chatter pick a free one",
    ),
    errno.EPERM: (
        "a security policy forbids port {port} of {ip}",
        "allow it there (SELinux, AppArmor, a container's profile), or choose another port",
    ),
    errno.EAFNOSUPPORT: (
        "this machine has no support for addresses like {ip}",
        "use an address of the other IP version, or enable this one",
    ),
    errno.EINVAL: (
        "{ip} cannot be used by itself",
        "a link-local or multicast address identifies no node: use a global address, "
        "or a private one (10.0.0.0/8, 192.168.0.0/16, fd00::/8)",
    ),
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOBUFS: _MEMORY,
    errno.ENOMEM: _MEMORY,
}

JOIN_ERRORS = {
    errno.EADDRINUSE: (
        "another program holds port {port} of this group, or of all addresses, for itself alone",
        "stop it (`ss -lnup` names it) or choose another port for the group",
    ),
    errno.ENODEV: (
        "the interface is gone",
        "bring it back or set `interface` to the address of another one",
    ),
    errno.EADDRNOTAVAIL: (
        "the interface has no usable address of this IP version (any more)",
        "give it one, or set `interface` to the address of another; a new IPv6 address needs a "
        "second or two before it may be used",
    ),
    errno.EINVAL: (
        "the kernel does not take this group on this interface",
        "set `interface` to the address of a network card; tunnels and some virtual "
        "machines have no multicast",
    ),
    errno.ENOBUFS: (
        "a limit on group memberships or socket memory is reached",
        "raise `sysctl net.ipv4.igmp_max_memberships` (20 for each socket by default) or "
        "`sysctl net.core.optmem_max`",
    ),
    errno.ENOMEM: (
        "a limit on socket memory is reached",
        "raise `sysctl net.core.optmem_max`, or free memory on this machine",
    ),
    errno.EPERM: (
        "a security policy forbids it",
        "allow multicast sockets to this process (SELinux, AppArmor, a container's profile)",
    ),
    errno.EACCES: (
        "this process may not use port {port}",
        "choose a port from 1024 up for the group",
    ),
    errno.ENOPROTOOPT: (
        "this kernel has no multicast",
        "use a kernel built with it (CONFIG_IP_MULTICAST)",
    ),
    errno.EAFNOSUPPORT: (
        "this machine has no support for groups of this IP version",
        "use a group of the other version (224.0.0.0/4, ff00::/8), or enable this one",
    ),
    errno.ENETUNREACH: (
        "there is no route by which the group could be sent to, or the interface is down",
        "enable it (`ip link set {name} up`) or add the route (`ip {route} dev {name}`)",
    ),
    errno.ENETDOWN: (
        "the interface is down",
        "enable it (`ip link set {name} up`) or set `interface` to the address of another",
    ),
    errno.EOPNOTSUPP: (
        "the interface says that it carries no multicast",
        "set `interface` to the address of one that does, or, if its driver is wrong, "
        "`ip link set {name} multicast on`",
    ),
    errno.EMSGSIZE: (
        "what the interface takes whole (its MTU, {mtu} bytes) or the receive buffer holds is too "
        "little for frames",
        "raise the MTU (`ip link set {name} mtu 1500`) or `sysctl net.core.rmem_max`",
    ),
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}

SEND_ERRORS = {
    errno.ENETUNREACH: JOIN_ERRORS[errno.ENETUNREACH],
    errno.EHOSTUNREACH: JOIN_ERRORS[errno.ENETUNREACH],
    errno.ENETDOWN: JOIN_ERRORS[errno.ENETDOWN],
    errno.ENODEV: JOIN_ERRORS[errno.ENODEV],
    errno.ENXIO: JOIN_ERRORS[errno.ENODEV],
    errno.EADDRNOTAVAIL: JOIN_ERRORS[errno.EADDRNOTAVAIL],
    errno.EPERM: (
        "a firewall rule on this machine drops it",
        "allow outgoing UDP to {group} (`nft list ruleset` or `iptables -S OUTPUT` shows the rule)",
    ),
    errno.EACCES: (
        "a route or policy on this machine prohibits it",
        "remove the prohibiting route for {group} (`ip {route_get}` shows it)",
    ),
    errno.EMSGSIZE: (
        "the datagram is larger than the interface takes (its MTU was {mtu} bytes at the start)",
        "restart the node if the MTU was lowered since",
    ),
    errno.ENOBUFS: (
        "the interface's queue is full",
        "nothing, if it passes; else lengthen the queue (`ip link set {name} txqueuelen 1000`) "
        "or send less",
    ),
    errno.ENOMEM: _MEMORY,
    errno.EINVAL: JOIN_ERRORS[errno.EINVAL],
}


def explain_bind_error(error: OSError, ip: str, port: int) -> str:
    """One sentence for a TCP or UDP socket that could not take `port` of `ip`."""
    meaning, advice = _look_up(BIND_ERRORS, error)
    return f"address: {meaning}; {advice}".format(ip=ip, port=port)


def explain_join_error(
    error: OSError, group: str, port: int, interface: Interface
) -> tuple[str, str]:
    """Why a group's sockets could not be opened, and what to do: two halves of a sentence."""
    meaning, advice = _look_up(JOIN_ERRORS, error)
    words = _words(group, interface) | {"port": port}
    head = f"multicast group {group} port {port} cannot be used on {interface}: "
    return head + meaning.format(**words), advice.format(**words)


def explain_multicast_error(error: OSError, group: str, interface: Interface) -> str:
    """One sentence for a WARNING about a datagram that could not be sent to a group.

    Joining says little about sending: a firewall, say, only shows here.
    """
    meaning, advice = _look_up(SEND_ERRORS, error)
    text = f"{meaning}; {advice}".format(**_words(group, interface))
    return f"sending to multicast group {group} on {interface} failed: {text}"


def _words(group: str, interface: Interface) -> dict[str, str | int]:
    # IPv6 looks for multicast routes in the table `local` only. The loopback interface gets none
    # there by itself, and delivers only by one of type `local`: with another type, sending succeeds
    # and nothing arrives.
    if ":" in group:
        kind = "local" if interface.loopback else "multicast"
        route = f"-6 route add {kind} ff00::/8 table local"
    else:
        route = "route add 224.0.0.0/4"
    return {
        "group": group,
        "name": interface.name,
        "mtu": interface.mtu,
        "route": route,
        "route_get": f"route get {group} oif {interface.name}",
    }


def _look_up(table: dict[int, tuple[str, str]], error: OSError) -> tuple[str, str]:
    code = error.errno or 0
    if code in table:
        return table[code]
    name = errno.errorcode.get(code, "no errno")
    # Braces of a system's message must survive the formatting that follows.
    text = (os.strerror(code) if code else str(error)).replace("{", "{{").replace("}", "}}")
    return f"{text} ({name})", "look that error up for your system; nothing else is known about it"
