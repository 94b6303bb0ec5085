"""What is kept for a stdout that isn't read."""

from __future__ import annotations

import pytest

from chatter import NetID
from chatter.command.narrator import PeerBacklog
from tests.command.samples import HERE, THERE, make_event


def test_all_is_told_in_order_below_the_limit() -> None:
    backlog = PeerBacklog(limit=10)
    told = [make_event(HERE, "alive"), make_event(THERE, "alive"), make_event(HERE, "left")]
    for event in told:
        backlog.add(event)
    assert [backlog.take() for _ in told] == told
    with pytest.raises(IndexError):
        backlog.take()


def test_above_the_limit_the_last_word_of_each_peer_stays() -> None:
    backlog = PeerBacklog(limit=10)
    addresses = [NetID("127.0.0.1", 5000 + number) for number in range(30)]
    for state in ("alive", "suspect", "failed") * 100:
        for address in addresses:
            backlog.add(make_event(address, state))
            assert len(backlog) <= 10 + len(addresses)
    events = [backlog.take() for _ in range(len(backlog))]
    last = {event.address: event.state for event in events}
    assert last == dict.fromkeys(addresses, "failed")
