"""Middleware that Dramatiq itself brings, in a worker of Dramatiq and in one of fq."""

import importlib
import time
from typing import Any

import pytest

from tests.packages.beside import Side, on_both

pytest.importorskip("dramatiq", reason="Dramatiq is not installed: make test installs it")

from dramatiq.middleware import AgeLimit, Callbacks, CurrentMessage
from dramatiq.results import Results
from dramatiq.results.backends import StubBackend


def test_age_limit(colour: str) -> None:
    def scenario(side: Side, _: list[Any]) -> list[str]:
        ran: list[str] = []

        def task(name: str) -> None:
            ran.append(name)

        side.actor(task, max_age=60_000)
        old = side.broker.get_actor("task").message("old")
        side.broker.enqueue(old.copy(message_timestamp=int(time.time() * 1000) - 120_000))
        side.send("task", "new")
        side.run()
        return ran

    theirs, ours = on_both(lambda: [AgeLimit()], scenario, colour)

    assert ours == theirs == ["new"]


def test_callbacks(colour: str) -> None:
    def scenario(side: Side, _: list[Any]) -> list[Any]:
        seen: list[Any] = []

        def task(fails: bool) -> str:
            if fails:
                raise ValueError("boom")
            return "fine"

        def done(message: dict[str, Any], result: str) -> None:
            seen.append((message["actor_name"], message["args"], result))

        def failed(message: dict[str, Any], error: dict[str, str]) -> None:
            seen.append((message["actor_name"], message["args"], error))

        for fn in (task, done, failed):
            side.actor(fn)
        side.send("task", False, on_success="done")
        side.send("task", True, on_failure="failed")
        side.run()
        return sorted(seen, key=repr)

    theirs, ours = on_both(lambda: [Callbacks()], scenario, colour)

    assert [list(call) for call in ours] == [list(call) for call in theirs]
    assert [call[0] for call in ours] == ["task", "task"]


def test_current_message(colour: str) -> None:
    def scenario(side: Side, _: list[Any]) -> bool:
        seen: list[str | None] = []

        def task() -> None:
            message = CurrentMessage.get_current_message()
            seen.append(None if message is None else message.message_id)

        side.actor(task)
        sent = [side.send("task").message_id for _ in range(5)]
        side.run()
        return sorted(map(str, seen)) == sorted(sent)

    theirs, ours = on_both(lambda: [CurrentMessage()], scenario, colour)

    assert ours
    assert theirs


def test_results(colour: str) -> None:
    def scenario(side: Side, middleware: list[Any]) -> list[Any]:
        def task(fails: bool) -> str:
            if fails:
                raise ValueError("boom")
            return "fine"

        side.actor(task, store_results=True)
        sent = [side.send("task", False), side.send("task", True)]
        side.run()
        results: list[Any] = [middleware[0].backend.get_result(sent[0])]
        with pytest.raises(Exception, match="boom") as failure:
            middleware[0].backend.get_result(sent[1])
        return [*results, type(failure.value).__name__]

    theirs, ours = on_both(lambda: [Results(backend=StubBackend())], scenario, colour)

    assert ours == theirs == ["fine", "ResultFailure"]


def test_prometheus(colour: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module("prometheus_client")  # before the variable is set, which would be for all of this process
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setenv("dramatiq_prom_db", str(tmp_path))
    from dramatiq.middleware.prometheus import Prometheus

    def scenario(side: Side, middleware: list[Any]) -> list[float]:
        def task(fails: bool) -> None:
            if fails:
                raise ValueError("boom")

        side.actor(task)
        side.send("task", False)
        side.send("task", True)
        side.run()
        (metrics,) = middleware
        counters = (
            metrics.total_messages,
            metrics.total_errored_messages,
            metrics.total_retried_messages,
            metrics.total_rejected_messages,
            metrics.inprogress_messages,
        )
        return [counter.labels("default", "task")._value.get() for counter in counters]

    theirs, ours = on_both(lambda: [Prometheus()], scenario, colour, max_retries=1)

    assert ours == theirs == [3, 2, 1, 1, 0]
