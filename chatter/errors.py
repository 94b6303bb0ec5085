"""Every exception of chatter: whose fault it was, what it changed, what to do.

::

    ChatterError
    ├── FrameError                theirs: bytes from the network that are not what they promise
    │   ├── Truncated             shorter than its own lengths say
    │   ├── BadMagic              not a chatter frame, or a version we do not speak
    │   ├── UnknownKey            sealed with a key that is not in our key ring
    │   ├── BadSeal               altered, or sealed for another channel, receiver or label
    │   ├── Replayed              a counter seen before, too old, or out of sequence
    │   └── TooLarge              a length above its limit, refused before anything is allocated
    └── ours, raised to the caller
        ├── ConfigError           a setting that cannot work; nothing was started
        │   └── MissingKey        no key, or not a key: says how to make one
        ├── Closed                the node is not running, or belongs to another process
        ├── QueueFull             our own queue stayed full; nothing was sent
        ├── MessageTooLarge       the encoded payload is above the limit; nothing was sent
        ├── HandlerError          a handler's own function failed; nothing was sent
        ├── ReceiptUnavailable    a receipt was asked for what no receipt can tell
        └── LifeExhausted         a subkey reached its limit of use; the node draws a new life

A ``FrameError`` never leaves the service: the frame is dropped and counted under its ``reason``.
"""


class ChatterError(Exception):
    """The root of all errors that chatter raises on purpose."""


class FrameError(ChatterError):
    """Bytes from the network that cannot be accepted. Changes nothing; counted as ``reason``."""

    reason = "malformed"


class Truncated(FrameError):
    """The bytes end before what they promise."""

    reason = "truncated"


class BadMagic(FrameError):
    """The first byte is not that of a version we speak: a stranger's datagram, most likely."""

    reason = "bad_magic"


class UnknownKey(FrameError):
    """No key of our ring has the frame's hint: another cluster, or a key we no longer hold."""

    reason = "unknown_key_hint"


class BadSeal(FrameError):
    """Authentication failed: altered bytes, a wrong key or label, or another channel's frame."""

    reason = "bad_seal"


class Replayed(FrameError):
    """The frame's counter was used before, lies below the window, or breaks the sequence."""

    reason = "replay"


class TooLarge(FrameError):
    """A length above its limit. Nothing of that length was read or allocated."""

    reason = "too_large"


class ConfigError(ChatterError):
    """A setting that cannot work. The message names the field and what to do; nothing started."""


class MissingKey(ConfigError):
    """No key, or a text that is not one. ``chatter keygen`` prints a good one."""


class Closed(ChatterError):
    """The node is not running here: not started, stopped, or inherited through a fork."""


class QueueFull(ChatterError):
    """The node's own queue stayed full for ``send_timeout_s``. Nothing was sent; try again."""


class MessageTooLarge(ChatterError):
    """The encoded payload is above the limit. Nothing was sent; send less, or a reference."""


class HandlerError(ChatterError):
    """One of a handler's functions failed or kept no promise. Nothing was sent."""


class ReceiptUnavailable(ChatterError):
    """The broadcast was not confirmed, so nobody reports who got it; or it was, and is not settled
    yet: call ``wait``. The broadcast itself went."""


class LifeExhausted(ChatterError):
    """A subkey may seal no more. The node draws a new life; seen by users only as a bug."""
