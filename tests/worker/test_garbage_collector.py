"""In a worker process the garbage collector looks less often, unless the app has set a threshold."""

import gc

import pytest

from fq.worker.process.main import GC_THRESHOLD, relax_garbage_collector


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is asked of the collector, instead of being done to that of the tests."""
    calls: list[object] = []
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(gc, "set_threshold", lambda *thresholds: calls.append(thresholds))
    return calls


@pytest.mark.parametrize("usual", [700, 2_000])
def test_it_looks_less_often_unless_the_app_has_set_a_threshold(calls: list[object], monkeypatch: pytest.MonkeyPatch, usual: int) -> None:
    monkeypatch.setattr(gc, "get_threshold", lambda: (usual, 10, 10))
    relax_garbage_collector()

    assert calls == ["freeze", (GC_THRESHOLD,)]


def test_what_the_app_has_set_is_left(calls: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "get_threshold", lambda: (5_000, 10, 10))
    relax_garbage_collector()

    assert calls == []


def test_nor_is_it_switched_on(calls: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "isenabled", lambda: False)
    relax_garbage_collector()

    assert calls == []
