"""What is deleted in one process is gone from the caches of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from cachelib import FileSystemCache, SimpleCache
from flask import Flask
from flask_caching import Cache
from gevent.event import Event

from chatter import Chatter, Closed, ConfigError, Gap, NetID, generate_key
from chatter.integrations.caching import CacheInvalidation
from chatter.integrations.flask import FlaskChatter
from tests.net.nodes import hears_all, random_group, wait_until


class FakeChatter:
    """Writes down what is told, and hands in what the test has others tell."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.stopped = False
        self.handlers: dict[str, Callable[[Any, Any], Any]] = {}
        self.ordered: dict[str, bool] = {}
        self.gap: Callable[[Gap], Any] = lambda gap: None

    def on(self, tag: str, *, ordered: bool = False) -> Callable[[Any], Any]:
        def register(function: Any) -> Any:
            self.handlers[tag], self.ordered[tag] = function, ordered
            return function

        return register

    def on_gap(self, callback: Callable[[Gap], Any]) -> None:
        self.gap = callback

    def broadcast(self, tag: str, body: Any) -> Any:
        if self.stopped:
            raise Closed("the node is not running")
        self.told.append((tag, body))
        return "receipt"

    def hear(self, body: Any, tag: str = "cache") -> None:
        self.handlers[tag](body, None)

    def miss(self, tag: str | None) -> None:
        self.gap(Gap(NetID("10.0.0.1", 29999), 1, 5, 9, tag))


class Plain:
    """The least that a cache may be."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def delete(self, key: str) -> bool:
        return self.values.pop(key, None) is not None


def made(cache: Any = None, **options: Any) -> tuple[FakeChatter, Any, CacheInvalidation]:
    chatter = FakeChatter()
    given = SimpleCache() if cache is None else cache
    return chatter, given, CacheInvalidation(given, chatter, **options)


# In all processes


@pytest.fixture
def settings() -> dict[str, Any]:
    """What the nodes of one test have in common."""
    return {
        "address": "127.0.0.1:0",
        "interface": "127.0.0.1",
        "multicast": [random_group()],
        "key": generate_key(),
        "beacon_interval_s": 0.1,
    }


@contextmanager
def running(chatters: list[Chatter]) -> Iterator[None]:
    """Until the end of the block they run, and have met."""
    with ExitStack() as stack:
        for one in chatters:
            stack.enter_context(one)
        wait_until(lambda: all(hears_all(one, len(chatters) - 1) for one in chatters), "evidence")
        yield


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_deleted_in_one_and_gone_in_all(
    tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    caches: list[Any] = [
        SimpleCache() if kind == "memory" else FileSystemCache(str(tmp_path / str(number)))
        for number in range(3)
    ]
    chatters = [Chatter(**settings) for _ in caches]
    one, other, _ = (CacheInvalidation(*pair) for pair in zip(caches, chatters, strict=True))

    def left(key: str) -> list[bool]:
        return [cache.has(key) for cache in caches]

    with running(chatters):
        for cache in caches:
            cache.set_many({"a": 1, "b": 2, "c": 3, "d": 4})
        receipt = one.delete("a")
        assert left("a")[0] is False  # here at once
        assert receipt.recipients == 2
        wait_until(lambda: not any(left("a")), "a to be gone")
        assert left("b") == [True] * 3
        other.delete_many("b", "never there", "c")
        wait_until(lambda: not any(left("b") + left("c")), "b and c to be gone")
        assert left("d") == [True] * 3
        one.clear()
        wait_until(lambda: not any(left("d")), "everything to be gone")


def test_flask_caching_in_applications_with_their_nodes(settings: dict[str, Any]) -> None:
    calls: list[tuple[str, int]] = []
    apps: list[Flask] = []
    invalidations: list[CacheInvalidation] = []
    prices: list[Any] = []
    for name in ("one", "other"):
        # As in two processes: each has its own of everything. All before there is an application.
        cache = Cache(config={"CACHE_TYPE": "SimpleCache"})
        chatter = FlaskChatter(**settings)
        invalidation = CacheInvalidation(cache, chatter)

        @invalidation.memoized
        @cache.memoize()  # type: ignore[untyped-decorator]
        def price(article: int, currency: str = "EUR", name: str = name) -> float:
            calls.append((name, article))
            return article * 1.5

        app = Flask(name)
        cache.init_app(app)
        chatter.init_app(app)
        apps.append(app)
        invalidations.append(invalidation)
        prices.append(price)

    def ask_both() -> list[tuple[str, int]]:
        """Which of the two compute the prices of 1 and 2 anew."""
        calls.clear()
        for app, price in zip(apps, prices, strict=True):
            with app.app_context():
                assert (price(1), price(2)) == (1.5, 3.0)
        return list(calls)

    with running([app.extensions["chatter"] for app in apps]):
        assert len(ask_both()) == 4
        assert ask_both() == []
        other = apps[1].extensions["chatter"]
        with apps[0].app_context():
            invalidations[0].delete_memoized(prices[0], 2)
        wait_until(lambda: other.stats().get("dispatched") == 1, "the deletion of one result")
        assert ask_both() == [("one", 2), ("other", 2)]
        with apps[0].app_context():
            invalidations[0].delete_memoized(prices[0])
        wait_until(lambda: other.stats().get("dispatched") == 2, "the deletion of all results")
        assert len(ask_both()) == 4
        with apps[0].app_context():
            invalidations[0].clear()
        wait_until(lambda: other.stats().get("dispatched") == 3, "the clearing")
        assert len(ask_both()) == 4
        assert other.stats().get("handler_errors", 0) == 0


def test_flask_caching_with_a_plain_node_needs_no_context(settings: dict[str, Any]) -> None:
    app = Flask("site")
    cache = Cache(config={"CACHE_TYPE": "SimpleCache"})
    cache.init_app(app)
    here, there = Chatter(**settings), Chatter(**settings)
    CacheInvalidation(cache, here)
    outside = CacheInvalidation(Plain(), there, clear_on_gap=False)
    with app.app_context():
        cache.set("a", 1)

    def is_there() -> bool:
        with app.app_context():
            return bool(cache.has("a"))

    with running([here, there]):
        outside.delete("a")
        wait_until(lambda: not is_there(), "a to be gone")
        assert here.stats().get("handler_errors", 0) == 0


# What is told, and what is done with it


def test_changes_are_told_in_their_order_with_one_message_each() -> None:
    chatter, cache, invalidation = made(tag="prices")
    cache.set_many({"a": 1, "b": 2, "c": 3})
    receipts: list[Any] = [invalidation.delete("a"), invalidation.delete_many("b", "missing", "c")]
    assert not any(cache.has(key) for key in "abc")
    cache.set("d", 4)
    receipts.append(invalidation.clear())
    assert receipts == ["receipt"] * 3
    assert not cache.has("d")
    assert chatter.told == [
        ("prices", {"delete": ["a"]}),
        ("prices", {"delete": ["b", "missing", "c"]}),
        ("prices", {"clear": True}),
    ]
    assert chatter.ordered == {"prices": True}


def test_what_is_heard_is_done_and_told_to_nobody() -> None:
    chatter, cache, _ = made()
    cache.set_many({"a": 1, "b": 2})
    chatter.hear({"delete": ["missing", "a"]})
    assert (cache.has("a"), cache.has("b")) == (False, True)
    chatter.hear({"clear": True})
    assert not cache.has("b")
    assert chatter.told == []


@pytest.mark.parametrize(
    "body", [None, 7, "a", [], {}, {"delete": "a"}, {"clear": False}, {"memoized": 1, "args": []}]
)
def test_what_is_no_change_is_refused_and_changes_nothing(body: Any) -> None:
    chatter, cache, _ = made()
    cache.set("a", 1)
    with pytest.raises(ValueError, match="no change of a cache"):
        chatter.hear(body)
    assert cache.has("a")


@pytest.mark.parametrize(("tag", "cleared"), [(None, True), ("cache", True), ("other", False)])
def test_what_may_have_been_missed_clears_the_cache(tag: str | None, cleared: bool) -> None:
    chatter, cache, _ = made()
    cache.set("a", 1)
    chatter.miss(tag)
    assert cache.has("a") is not cleared
    assert chatter.told == []  # each knows for itself what it has missed


def test_who_would_rather_have_it_stale_says_so() -> None:
    chatter, cache, _ = made(clear_on_gap=False)
    cache.set("a", 1)
    chatter.miss(None)
    assert cache.has("a")


def test_a_cache_that_has_delete_alone_will_do() -> None:
    chatter, cache, invalidation = made(Plain(), clear_on_gap=False)
    cache.values.update(a=1, b=2, c=3)
    invalidation.delete_many("a", "missing")
    chatter.hear({"delete": ["b"]})
    assert cache.values == {"c": 3}
    with pytest.raises(ConfigError, match=r"^cache: Plain has no clear\(\)$"):
        invalidation.clear()
    assert chatter.told == [("cache", {"delete": ["a", "missing"]})]


def test_when_the_node_does_not_run_it_is_deleted_here_and_the_caller_is_told() -> None:
    chatter, cache, invalidation = made()
    cache.set("a", 1)
    chatter.stopped = True
    with pytest.raises(Closed):
        invalidation.delete("a")
    assert not cache.has("a")


def test_a_cache_that_fails_here_does_not_leave_the_others_stale() -> None:
    class Broken(Plain):
        def delete(self, key: str) -> bool:
            raise OSError("disk full")

    chatter, _, invalidation = made(Broken(), clear_on_gap=False)
    with pytest.raises(OSError, match="disk full"):
        invalidation.delete("a")
    assert chatter.told == [("cache", {"delete": ["a"]})]


# What cannot work


def test_a_cache_without_clear_is_named_before_it_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"Plain has no clear\(\): give clear_on_gap=False"):
        made(Plain())
    with pytest.raises(ConfigError, match=r"dict has no delete\(\)"):
        made({})


@pytest.mark.parametrize("key", [7, None, b"a", ["a"]])
def test_a_key_is_a_text(key: Any) -> None:
    chatter, cache, invalidation = made()
    cache.set("a", 1)
    with pytest.raises(ConfigError, match=r"^cache: a key is a text, not "):
        invalidation.delete_many("a", key)
    assert cache.has("a")
    assert chatter.told == []


def test_two_caches_need_two_tags(settings: dict[str, Any]) -> None:
    chatter = Chatter(**settings)
    CacheInvalidation(SimpleCache(), chatter, "one")
    CacheInvalidation(SimpleCache(), chatter, "two")
    with pytest.raises(ConfigError, match="one"):
        CacheInvalidation(SimpleCache(), chatter, "one")


# Memoized functions


class FakeMemoizing(SimpleCache):
    """Writes down what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.deleted: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def delete_memoized(self, function: Any, *args: Any, **kwargs: Any) -> None:
        self.deleted.append((function.__name__, args, kwargs))


def memoized(function: Any) -> Any:
    function.make_cache_key = lambda: None
    return function


def test_a_memoized_function_goes_by_its_name_and_arguments() -> None:
    chatter, cache, invalidation = made(FakeMemoizing())

    @invalidation.memoized
    @memoized
    def price(article: int) -> int:
        return article

    invalidation.delete_memoized(price, 7, currency="EUR")
    ((_, told),) = chatter.told
    assert told["memoized"].endswith("<locals>.price")
    chatter.hear(told)
    chatter.hear({**told, "memoized": "elsewhere.unknown"})
    assert cache.deleted == [("price", (7,), {"currency": "EUR"})] * 2


def test_functions_that_cannot_be_found_elsewhere_are_named() -> None:
    chatter, cache, invalidation = made(FakeMemoizing())
    with pytest.raises(ConfigError, match=r"put @cache\.memoize\(\) below"):
        invalidation.memoized(lambda: 1)

    class Shop:
        @invalidation.memoized
        @memoized
        def price(self) -> int:
            return 1

    invalidation.delete_memoized(Shop.price)
    for function in (Shop().price, memoized(lambda: 2)):
        with pytest.raises(ConfigError, match=r"put @invalidation\.memoized above"):
            invalidation.delete_memoized(function)
    assert len(chatter.told) == len(cache.deleted) == 1


@pytest.mark.parametrize("value", [(1, 2), [1], {"a": 1}, object(), b"a"])
def test_arguments_that_would_name_another_result_elsewhere_are_refused(value: Any) -> None:
    chatter, cache, invalidation = made(FakeMemoizing())
    function = invalidation.memoized(memoized(lambda value: value))
    with pytest.raises(ConfigError, match="cannot travel as an argument"):
        invalidation.delete_memoized(function, value)
    with pytest.raises(ConfigError, match="cannot travel as an argument"):
        invalidation.delete_memoized(function, value=value)
    assert chatter.told == cache.deleted == []


def test_another_cache_memoizes_nothing() -> None:
    _, _, invalidation = made()
    with pytest.raises(ConfigError, match=r"SimpleCache has no delete_memoized\(\)"):
        invalidation.delete_memoized(memoized(lambda: 1))


# Values computed from what is just being changed


@pytest.mark.parametrize("change", [{"delete": ["a"]}, {"clear": True}])
@pytest.mark.parametrize("heard", [True, False])
def test_what_is_deleted_while_it_is_computed_is_not_kept(
    change: dict[str, Any], heard: bool
) -> None:
    chatter, cache, invalidation = made()
    reading, go_on = Event(), Event()

    def compute() -> str:
        reading.set()
        go_on.wait()
        return "old"

    asking = gevent.spawn(invalidation.get_or_compute, "a", compute)
    reading.wait()
    if heard:
        chatter.hear(change)
    elif "clear" in change:
        invalidation.clear()
    else:
        invalidation.delete("a")
    assert invalidation.get_or_compute("a", lambda: "new") == "new"
    go_on.set()
    assert asking.get() == "old"  # who asked before the change gets what was then
    assert cache.get("a") == "new"


def test_what_is_deleted_while_the_cache_writes_it_is_not_kept() -> None:
    class Slow(SimpleCache):
        def set(self, key: str, value: Any, timeout: Any = None) -> bool | None:
            chatter.hear({"delete": [key]})
            return super().set(key, value, timeout)

    chatter, cache, invalidation = made(Slow())
    assert invalidation.get_or_compute("a", lambda: "old") == "old"
    assert not cache.has("a")


def test_else_it_is_kept_and_computed_once() -> None:
    chatter, cache, invalidation = made()
    computed: list[int] = []

    def compute() -> int:
        computed.append(1)
        chatter.hear({"delete": ["another"]})
        return 0  # a value like any other

    assert [invalidation.get_or_compute("a", compute, timeout=60) for _ in range(3)] == [0] * 3
    assert computed == [1]
    assert cache.get("a") == 0
    assert invalidation._computing == {}


def test_nothing_is_no_value_and_an_error_is_the_callers() -> None:
    _, cache, invalidation = made()
    assert invalidation.get_or_compute("a", lambda: None) is None
    assert not cache.has("a")
    with pytest.raises(ZeroDivisionError):
        invalidation.get_or_compute("a", lambda: 1 / 0)
    assert invalidation._computing == {}
    _, _, plain = made(Plain(), clear_on_gap=False)
    with pytest.raises(ConfigError, match=r"Plain has no get\(\)"):
        plain.get_or_compute("a", lambda: 1)


def test_the_timeout_is_the_caches() -> None:
    class Timed(SimpleCache):
        def set(self, key: str, value: Any, timeout: Any = None) -> bool | None:
            timeouts.append(timeout)
            return super().set(key, value, timeout)

    timeouts: list[Any] = []
    _, _, invalidation = made(Timed())
    invalidation.get_or_compute("a", lambda: 1)
    invalidation.get_or_compute("b", lambda: 1, timeout=5)
    assert timeouts == [None, 5]
