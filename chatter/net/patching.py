"""Whether this process waits by gevent everywhere, and what to tell who finds that it does not.

A node starts in any process that is patched. Whether that came in time is another question: a
module that was imported before may keep the unpatched ``time.sleep``, and each call of it stops the
whole process, the node included, so that others take it for dead.
"""

from __future__ import annotations

import sys

from gevent import monkey

# What waits, and for how long is up to somebody else. Locks and the like are left out: modules hold
# them for some steps of the interpreter, in which no greenlet gets a turn anyway.
_WAITS = {
    "time": ("sleep",),
    "socket": ("socket", "create_connection", "getaddrinfo", "gethostbyname"),
    "select": ("select", "poll", "epoll"),
}

# gevent sees to the standard library; gunicorn's worker is made for being patched when it starts;
# what chatter itself keeps it keeps on purpose, for threads of its own.
# A debugger is always imported before the program, and keeps the unpatched names on purpose: for
# threads of its own, which go on while all others stand still.
_DEBUGGERS = {"pydevd", "_pydevd_bundle", "_pydev_bundle", "debugpy"}
_KNOWN = sys.stdlib_module_names | {"gevent", "gunicorn", "chatter"} | _DEBUGGERS


def is_patched() -> bool:
    """Whether this process is patched at all, as a node needs it."""
    return all(monkey.is_module_patched(name) for name in ("socket", "time", "threading", "select"))


def unpatched_names(*, own_code: bool = False) -> list[str]:
    """What modules kept of the time before the patch, as ``module.name``; empty if it came in time.

    Args:
        own_code: look at what was not installed only: the program and its modules. A test runner
            keeps the real ``sleep`` on purpose.

    Of a function that is taken by name only; one that waits behind a class of its own is not seen.
    """
    originals = {
        id(monkey.saved[module][name])
        for module, names in _WAITS.items()
        for name in names
        if name in monkey.saved.get(module, {})
    }
    found = []
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in _KNOWN or (own_code and _is_installed(module)):
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in originals:
                found.append(f"{name}.{attribute}")
    return found


def _is_installed(module: object) -> bool:
    path = getattr(module, "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path


def why_too_late(advice: str, *, own_code: bool = False) -> str | None:
    """One sentence for a process that was patched too late, with what to do; None if it was not."""
    found = unpatched_names(own_code=own_code)
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return (
        f"this process was patched too late: {found[0]}{more} was imported before, and whenever it"
        f" waits, the node stands still and others take it for dead; {advice}"
    )
