"""scripts/bench_socketio and scripts/prove_socketio, small."""

from __future__ import annotations

import pytest

pytest.importorskip("flask_socketio", reason="needs Flask-SocketIO")
pytest.importorskip("gunicorn", reason="needs the extra gunicorn")

from scripts.lab.errors import LabError
from scripts.socketio_lab import bench, prove
from scripts.socketio_lab.clients import Client
from scripts.socketio_lab.figures import Case
from scripts.socketio_lab.workers import PLAIN


@pytest.mark.bench
def test_all_managers_on_the_same_work() -> None:
    case = Case(on_each=1, emits=20, rate=100, size=64)
    rows = bench.measure(1, (case,))
    assert [row.manager for row in rows] == ["redis", "chatter", "chatter:fast"]
    for row in rows:
        assert row.delivered == 4 * 20  # one client on each worker
        assert 0 < row.p50_us <= row.p99_us
        assert 0 <= row.workers_cpu_us <= row.cpu_us


def test_the_proof_counts_what_reached_whom(capsys: pytest.CaptureFixture[str]) -> None:
    prove.prove(PLAIN, preload=True, count=24, on_each=2, emits=2)
    told = capsys.readouterr().out
    # Four workers emit twice to the room that a client is in.
    assert f"{24 * 4 * 2} of {24 * 4 * 2} events of rooms once each" in told


def test_the_proof_sees_what_is_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    fence = prove._fence

    def fence_and_tell_twice(speakers: list[Client], clients: list[Client]) -> None:
        fence(speakers, clients)
        clients[3].events.append(clients[3].events[-1])

    monkeypatch.setattr(prove, "_fence", fence_and_tell_twice)
    with pytest.raises(LabError, match="a client got"):
        prove.prove(PLAIN, preload=False, count=12, on_each=1, emits=1)
