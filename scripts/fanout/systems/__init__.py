"""The systems that can be compared: what each is, and what it needs. Imports none of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Without a new message for so long nothing more comes, however busy the machine.
_QUIET_S = 5.0

# Above `repair_timeout_s`, after which chatter itself gives up.
_CHATTER_QUIET_S = 12.0

# A datagram that is under way for so long has been dropped.
_UDP_QUIET_S = 1.0

_CRYPTOGRAPHY = {"cryptography": "cryptography"}


@dataclass(frozen=True)
class System:
    """One system.

    Args:
        module: of this package; has `publish(task)` and `subscribe(task)`.
        about: what it is, one phrase.
        green: its processes are patched by gevent before anything else is imported.
        server: the program between publisher and subscribers, if there is one.
        programs: others that it needs.
        needs: packages, by what has to be importable.
        blocks: modules that its processes do as if they were not installed.
        quiet_s: without a new message for so long the rest counts as lost.
        lossless: a lost or doubled message is a failure.
        one_segment: it reaches nobody beyond a router.
        options: for its module.
    """

    module: str
    about: str
    green: bool = True
    server: str | None = None
    programs: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    blocks: tuple[str, ...] = ()
    quiet_s: float = _QUIET_S
    lossless: bool = False
    one_segment: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


# By the library that seals: what its processes have to do without, so that chatter takes this one.
# Wherever they can be imported it takes others, and here it can: `fast` is part of `bench`.
_WITHOUT: Mapping[str, tuple[str, ...]] = {
    "Cryptography": (),
    "Libcrypto": ("cryptography",),
    "Pycryptodome": ("cryptography", "chatter.wire.aead.by_libcrypto"),
}


def _chatter(about: str, aead: str, *, multicast: bool = True) -> System:
    return System(
        "chatter",
        about,
        needs=_CRYPTOGRAPHY if aead == "Cryptography" else {},
        blocks=_WITHOUT[aead],
        quiet_s=_CHATTER_QUIET_S,
        lossless=True,
        options={"multicast": multicast, "aead": aead},
    )


CHATTER: Mapping[str, System] = {
    "default": _chatter("as `pip install .` makes it: sealed by the system's OpenSSL", "Libcrypto"),
    "fast": _chatter("with the extra `fast`: sealed by `cryptography`", "Cryptography"),
    "pycryptodome": _chatter(
        "the default where there is no OpenSSL 3: sealed by pycryptodome", "Pycryptodome"
    ),
    "tree": _chatter(
        "the default, without multicast: the TCP tree alone", "Libcrypto", multicast=False
    ),
    "tree-fast": _chatter(
        "the TCP tree alone, with the extra `fast`", "Cryptography", multicast=False
    ),
}
"""chatter itself, by the name of the variant."""

PEERS: Mapping[str, System] = {
    "redis": System(
        "redis",
        "redis-py under gevent: `publish` for each message, and a pubsub in each subscriber",
        server="redis-server",
        needs={"redis": "redis"},
    ),
    "redis:pipeline": System(
        "redis",
        "the same, a hundred PUBLISH in a pipeline where they need not be there at once",
        server="redis-server",
        needs={"redis": "redis"},
        options={"pipeline": True},
    ),
    "socketio": System(
        "socketio",
        "RedisManager of python-socketio under gevent, up to where clients would be served",
        server="redis-server",
        needs={"redis": "redis", "socketio": "python-socketio"},
    ),
    "nats": System(
        "nats",
        "nats-py under asyncio, by a nats-server",
        green=False,
        server="nats-server",
        needs={"nats": "nats-py"},
    ),
    "zmq": System(
        "zmq",
        "pyzmq, XPUB and SUB over TCP, blocking, no encryption, NODROP: it waits instead of losing",
        green=False,
        needs={"zmq": "pyzmq"},
    ),
    "zmq:curve": System(
        "zmq",
        "the same, encrypted by CURVE",
        green=False,
        needs={"zmq": "pyzmq"},
        options={"curve": True},
    ),
    "zmq:green": System(
        "zmq",
        "the same as zmq, by `zmq.green` under gevent",
        needs={"zmq": "pyzmq"},
        options={"green": True},
    ),
    "tcp": System("tcp", "a loop over connected gevent sockets, a length before each message"),
    "tcp:tls": System("tcp", "the same over TLS", programs=("openssl",), options={"tls": True}),
    "udp": System(
        "udp",
        "bare UDP multicast by gevent sockets: no encryption, no repair, no flow control",
        quiet_s=_UDP_QUIET_S,
        one_segment=True,
    ),
}
"""What chatter is compared with, by name."""

SYSTEMS: Mapping[str, System] = {
    **{"chatter" if name == "default" else f"chatter:{name}": it for name, it in CHATTER.items()},
    **PEERS,
}
"""All of them, by the name in figures and tables."""
