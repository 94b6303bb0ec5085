"""Caching: what is deleted from a cache in one process is gone from the caches of all.

Each worker keeps a cache of its own, in its memory or in files, as fast as that is; and none of
them shows what another knows to be outdated::

    cache = Cache(config={"CACHE_TYPE": "SimpleCache"})     # Flask-Caching's
    invalidation = CacheInvalidation(cache, chatter)        # a FlaskChatter, or a Chatter

    invalidation.delete("user:7")       # here at once, in the others a moment later

Any cache will do that has ``delete(key)``. Nothing here imports Flask-Caching, or Flask.

What may go wrong, and what becomes of it:

- A value that is computed from old data while the deletion passes, and stored after it, would stay.
  `CacheInvalidation.get_or_compute` does not store such a value. ``cache.cached`` and
  ``cache.memoize`` do: give them a timeout.
- Who deletes before it has committed what changed has the others read the old data again: delete
  after the commit.
- A deletion that is lost for this process for good is a gap: then the whole cache is cleared, since
  an empty cache is slow and a stale one is wrong.
- A process that does not run hears nothing. A cache that outlives it, as in files, may be stale
  when it starts anew: clear it then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from chatter.core.effects import Gap
from chatter.errors import ConfigError
from chatter.net.receipt import Receipt

Function = TypeVar("Function", bound=Callable[..., Any])

# What JSON gives back exactly as it was: a tuple would come as a list, and name another result.
_EXACT = (str, int, float, bool, type(None))


class Cache(Protocol):
    """What is needed of a cache.

    Used if it is there: ``clear()``; for `CacheInvalidation.get_or_compute` ``get(key)``, which is
    None for what is missing, and ``set(key, value, timeout=seconds)``; for
    `CacheInvalidation.delete_memoized` Flask-Caching's method of that name.
    """

    def delete(self, key: str) -> Any:
        """Delete what is kept under a key, if anything is."""


class Broadcaster(Protocol):
    """What is needed of a ``Chatter`` or a ``FlaskChatter``."""

    def on(self, tag: str, *, ordered: bool = False) -> Callable[[Function], Function]:
        """Register a handler."""

    def on_gap(self, callback: Callable[[Gap], Any]) -> Any:
        """Register what is told of gaps."""

    def broadcast(self, tag: str, body: Any) -> Receipt:
        """Tell all others."""


class CacheInvalidation:
    """Deletes from a cache here and in all other processes that have one for the same tag.

    Args:
        cache: the cache of this process.
        chatter: the node by which the others are told. Make this before it is started.
        tag: the tag of its broadcasts: one for each cache.
        clear_on_gap: whether the cache is cleared when deletions may have been missed for good.

    Each method changes the cache here at once, then tells the others and returns the receipt of
    that. What one process deletes is deleted in that order everywhere.

    Raises:
        ConfigError: the cache lacks a method that is needed, or the tag has a handler already.
    """

    def __init__(
        self,
        cache: Cache,
        chatter: Broadcaster,
        tag: str = "cache",
        *,
        clear_on_gap: bool = True,
    ) -> None:
        self._cache: Any = cache
        self._need("delete")
        if clear_on_gap:
            self._need("clear", "give clear_on_gap=False to live with what may be stale")
        self._chatter = chatter
        self._tag = tag
        self._memoized: dict[str, Callable[..., Any]] = {}
        self._computing: dict[str, set[_Computation]] = {}
        chatter.on(tag, ordered=True)(self._receive)
        if clear_on_gap:
            chatter.on_gap(self._missed)

    # What programs call

    def delete(self, key: str) -> Receipt:
        """Delete what is kept under this key.

        Raises:
            ConfigError: the key is no text; nothing was deleted.
            ChatterError: as by ``broadcast``: it is deleted here, and nobody was told.
        """
        return self.delete_many(key)

    def delete_many(self, *keys: str) -> Receipt:
        """Delete what is kept under these keys, with one message. Raises as `delete`."""
        for key in keys:
            _check_key(key)
        return self._do({"delete": list(keys)})

    def clear(self) -> Receipt:
        """Delete everything.

        Raises:
            ConfigError: the cache has no ``clear``; nothing was deleted.
            ChatterError: as by ``broadcast``: it is cleared here, and nobody was told.
        """
        self._need("clear")
        return self._do({"clear": True})

    def memoized(self, function: Function) -> Function:
        """Let `delete_memoized` know a function, by its module and name, in this process: a
        decorator, above ``cache.memoize``.

        Raises:
            ConfigError: it is not memoized by Flask-Caching.
        """
        if not hasattr(function, "make_cache_key"):
            raise ConfigError(
                f"cache: {_name_of(function)} is not memoized: put @cache.memoize() below this"
                " decorator"
            )
        self._memoized[_name_of(function)] = function
        return function

    def delete_memoized(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Receipt:
        """Delete what a memoized function returned for these arguments, or for all if there are
        none.

        The keys of memoized results differ between processes, as Flask-Caching draws them at
        random. So what travels is the name of the function and the arguments, and each process
        deletes what it knows by them.

        Args:
            function: as decorated by `memoized`; of a method that of the class.
            args: texts, numbers, booleans or None, as the function was called with.

        Raises:
            ConfigError: the function is not known, or an argument cannot travel; nothing was
                deleted.
            ChatterError: as by ``broadcast``: it is deleted here, and nobody was told.
        """
        self._need("delete_memoized")
        name = _name_of(function)
        if name not in self._memoized or getattr(function, "__self__", None) is not None:
            raise ConfigError(
                f"cache: {name} is not known: put @invalidation.memoized above its @cache.memoize()"
                " and give that function; of a method, that of the class"
            )
        for value in (*args, *kwargs.values()):
            if type(value) not in _EXACT:
                raise ConfigError(
                    f"cache: {value!r} cannot travel as an argument of {name}: give texts, numbers,"
                    " booleans and None, or no arguments, to delete all that it returned"
                )
        return self._do({"memoized": name, "args": list(args), "kwargs": kwargs})

    def get_or_compute(
        self, key: str, compute: Callable[[], Any], timeout: float | None = None
    ) -> Any:
        """What is kept under a key; if nothing is, what ``compute`` returns, which is then kept.

        It is not kept if the key was deleted while it was computed, here or elsewhere: it may come
        of what was read before the change. Nor is None kept, which is how caches say that nothing
        is. Several that ask at the same time each compute.

        Args:
            timeout: seconds that the cache shall keep it; None: as the cache is set up.

        Raises:
            ConfigError: the cache has no ``get`` or no ``set``.
        """
        self._need("get")
        self._need("set")
        value = self._cache.get(key)
        if value is not None:
            return value
        with self._computation(key) as computation:
            value = compute()
            if value is not None and not computation.is_outdated():
                limit = {} if timeout is None else {"timeout": timeout}
                self._cache.set(key, value, **limit)
                if computation.is_outdated():  # deleted while the cache was writing
                    self._cache.delete(key)
        return value

    # Details

    def _do(self, change: dict[str, Any]) -> Receipt:
        try:
            self._apply(change)
        finally:  # what is wrong with the cache here is no reason to leave the others stale
            receipt = self._chatter.broadcast(self._tag, change)
        return receipt

    def _receive(self, change: Any, message: Any) -> None:
        self._apply(change)

    def _missed(self, gap: Gap) -> None:
        # Without a tag nobody knows what was in it; one of another handler is not ours to mind.
        if gap.tag is None or gap.tag == self._tag:
            self._apply({"clear": True})

    def _apply(self, change: Any) -> None:
        match change:
            case {"delete": [*keys]}:
                for key in keys:
                    self._outdate(self._computing.get(key, ()))
                    # One by one: what a cache does at one that is missing differs with its type.
                    self._cache.delete(key)
            case {"clear": True}:
                for computations in self._computing.values():
                    self._outdate(computations)
                self._need("clear")
                self._cache.clear()
            case {"memoized": str() as name, "args": list() as args, "kwargs": dict() as kwargs}:
                function = self._memoized.get(name)
                if function is not None:  # else it was never called here
                    self._cache.delete_memoized(function, *args, **kwargs)
            case _:
                raise ValueError(f"no change of a cache: {change!r:.200}")

    def _outdate(self, computations: Iterable[_Computation]) -> None:
        for computation in computations:
            computation.outdate()

    @contextmanager
    def _computation(self, key: str) -> Iterator[_Computation]:
        computation = _Computation()
        self._computing.setdefault(key, set()).add(computation)
        try:
            yield computation
        finally:
            self._computing[key].discard(computation)
            if not self._computing[key]:
                del self._computing[key]

    def _need(self, method: str, otherwise: str | None = None) -> None:
        if not callable(getattr(self._cache, method, None)):
            more = f": {otherwise}" if otherwise else ""
            raise ConfigError(f"cache: {type(self._cache).__name__} has no {method}(){more}")


class _Computation:
    """One call of ``compute`` that is under way."""

    __slots__ = ("_outdated",)

    def __init__(self) -> None:
        self._outdated = False

    def outdate(self) -> None:
        """Its key was deleted meanwhile."""
        self._outdated = True

    def is_outdated(self) -> bool:
        """Whether that was so."""
        return self._outdated


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise ConfigError(f"cache: a key is a text, not {key!r}")


def _name_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
