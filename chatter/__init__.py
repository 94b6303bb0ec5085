"""chatter: tell something to a set of other processes, with no broker between them.

The bytes travel one way::

    bytes in       frame       gossip        learn            plan            dispatch
    net/listener   wire/frame  wire/gossip   core/node        core/forwarder  net/worker
    net/multicast  wire/seal   wire/idtable  core/membership  core/planner    your handler
    net/unicast                                                 |
                   frames out:  net/multicast, net/peer  <-  core/channels, core/links

``wire`` turns bytes into values and back, ``core`` decides, ``net`` owns sockets, clocks and
greenlets, ``dashboard`` shows what they do. ``testing`` runs the same core under a virtual clock,
on a network that can be made to fail.
"""

from chatter.config import Config
from chatter.core.effects import Edge, Gap, PeerEvent
from chatter.core.handlers import Message, MessageHandler
from chatter.core.membership import Summary as Peer
from chatter.errors import (
    ChatterError,
    Closed,
    ConfigError,
    FrameError,
    HandlerError,
    MessageTooLarge,
    MissingKey,
    QueueFull,
    ReceiptUnavailable,
)
from chatter.ids import BroadcastID, NetID
from chatter.keys import generate_key
from chatter.net.receipt import Receipt
from chatter.service import Chatter
from chatter.version import __version__

__all__ = [
    "BroadcastID",
    "Chatter",
    "ChatterError",
    "Closed",
    "Config",
    "ConfigError",
    "Edge",
    "FrameError",
    "Gap",
    "HandlerError",
    "Message",
    "MessageHandler",
    "MessageTooLarge",
    "MissingKey",
    "NetID",
    "Peer",
    "PeerEvent",
    "QueueFull",
    "Receipt",
    "ReceiptUnavailable",
    "__version__",
    "generate_key",
]
