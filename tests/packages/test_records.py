"""Published middleware that tells of messages, or decides whether they run: traces, monitors, schedules, workflows."""

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from tests.packages.beside import Side, on_both


def boom(side: Side) -> None:
    """Send a message that succeeds, and one that fails, is retried and fails again."""

    def task(fails: bool) -> None:
        if fails:
            raise ValueError("boom")

    side.actor(task)
    side.send("task", False)
    side.run()
    side.send("task", True)
    side.run()


def test_periodiq(colour: str) -> None:
    periodiq = pytest.importorskip("periodiq", reason="periodiq is not installed: make test installs it")

    def scenario(side: Side, _: list[Any]) -> list[str]:
        ran: list[str] = []

        def task(name: str) -> None:
            ran.append(name)

        side.actor(task, periodic=periodiq.cron("* * * * *"))
        now = dt.datetime.now(dt.UTC)
        side.send("task", "late", scheduled_at=str(now - dt.timedelta(minutes=2)))
        side.send("task", "in time", scheduled_at=str(now))
        side.send("task", "by hand")
        side.run()
        return sorted(ran)

    theirs, ours = on_both(lambda: [periodiq.PeriodiqMiddleware(skip_delay=60)], scenario, colour)

    assert ours == theirs == ["by hand", "in time"]


def test_dramatiq_workflow(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dramatiq
    from dramatiq.brokers.stub import StubBroker
    from dramatiq.rate_limits.backends import StubBackend

    monkeypatch.setattr("dramatiq.broker.global_broker", StubBroker())  # the package declares an actor as it is imported
    package = pytest.importorskip("dramatiq_workflow", reason="dramatiq-workflow is not installed: make test installs it")
    assert dramatiq.get_broker() is not None

    def scenario(side: Side, _: list[Any]) -> list[str]:
        ran: list[str] = []

        def task(name: str) -> None:
            ran.append(name)

        side.actor(task)

        def message(name: str) -> Any:  # of Dramatiq's own class, which the package asks for
            return dramatiq.Message.decode(side.broker.get_actor("task").message(name).encode())

        workflow = package.Chain(
            message("a"), package.Group(message("b1"), package.Chain(message("b2"), message("c"))), message("d"), message("e")
        )
        package.Workflow(workflow, broker=side.broker).run()
        side.run()
        return ran

    theirs, ours = on_both(lambda: [package.WorkflowMiddleware(StubBackend())], scenario, colour)

    assert sorted(ours) == sorted(theirs) == ["a", "b1", "b2", "c", "d", "e"]
    for ran in (theirs, ours):
        assert ran[0] == "a"
        assert ran[-2:] == ["d", "e"]
        assert ran.index("b2") < ran.index("c")


def test_z4j_dramatiq(colour: str) -> None:
    middleware = pytest.importorskip("z4j_dramatiq.events.middleware", reason="z4j-dramatiq is not installed: make test installs it")
    from z4j_core.redaction.engine import RedactionEngine

    told: list[Any] = []

    def scenario(side: Side, _: list[Any]) -> list[tuple[str, str]]:
        told.clear()
        boom(side)
        return sorted((event.kind.value, event.data["task_name"]) for event in told)

    theirs, ours = on_both(
        lambda: [middleware.Z4JMiddleware(sink=told.append, redaction=RedactionEngine())], scenario, colour, max_retries=1
    )

    assert Counter(theirs) - Counter(ours) == {("task.received", "task"): 1}  # Dramatiq enqueues a retry again when it is due
    assert not Counter(ours) - Counter(theirs)
    assert {kind for kind, _ in ours} == {f"task.{kind}" for kind in ("received", "started", "succeeded", "retried", "failed")}


class TraceStaxClient:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def send_event(self, event: Any) -> None:
        self.events.append(event)

    def send_heartbeat(self, _: Any) -> None: ...


def test_tracestax(colour: str) -> None:
    package = pytest.importorskip("tracestax.dramatiq", reason="tracestax is not installed: make test installs it")

    def scenario(side: Side, middleware: list[Any]) -> Counter[Any]:
        boom(side)
        events = middleware[0]._client.events
        return Counter((event["status"], event["task"]["attempt"], event.get("error", {}).get("type")) for event in events)

    theirs, ours = on_both(lambda: [package.TraceStaxMiddleware(TraceStaxClient())], scenario, colour, max_retries=1)

    # Dramatiq counts a retry that does not come: its last failure is that of attempt 3.
    assert theirs - ours == {("failed", 3, "ValueError"): 1}
    assert sum(ours.values()) == sum(theirs.values()) == 6
    assert Counter(status for status, *_ in ours.elements()) == {"started": 3, "failed": 2, "succeeded": 1}


def test_sentry_dramatiq_cron_logger(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip(
        "sentry_dramatiq_cron_logger", reason="sentry-dramatiq-cron-logger is not installed: make test installs it"
    )
    calls: list[Any] = []
    for method in ("post", "put"):
        monkeypatch.setattr(package.requests, method, lambda url, method=method, **given: calls.append((method, url, given["json"])))

    def scenario(side: Side, _: list[Any]) -> list[Any]:
        calls.clear()

        def task(fails: bool) -> None:
            if fails:
                raise ValueError("boom")

        side.actor(task, monitor_id="nightly")
        side.send("task", False)
        side.run()
        side.send("task", True, monitor_id="other")
        side.run()
        return list(calls)

    theirs, ours = on_both(lambda: [package.SentryCronMiddleware(sentry_dsn="key", organization="us")], scenario, colour)

    assert ours == theirs
    assert [(method, given["status"]) for method, _, given in ours] == [
        ("post", "in_progress"),
        ("put", "ok"),
        ("post", "in_progress"),
        ("put", "error"),
    ]


def test_dramatiq_header(colour: str) -> None:
    package = pytest.importorskip(
        "dramatiq_header", reason="dramatiq-header is not installed: it asks for Dramatiq < 2, so no extra can have it"
    )

    def scenario(side: Side, _: list[Any]) -> list[Any]:
        seen: list[Any] = []

        def task() -> None:
            seen.append(package.HeadersMessage.get_headers())

        side.actor(task)
        side.send("task", tenant={"id": "acme"})
        side.run()
        return seen

    theirs, ours = on_both(lambda: [package.HeadersMessage("tenant")], scenario, colour)

    assert ours == theirs == [{"id": "acme"}]
