"""Published middleware that binds something to a message while it runs: Flask's application contexts, a span, an error scope, an abort."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.packages.beside import Side, on_both
from tests.wait_until import wait_until

BOTH_FLASKS = pytest.mark.parametrize("package", ["flask_dramatiq", "flask_melodramatiq"])


@BOTH_FLASKS
def test_flask(colour: str, package: str) -> None:
    flask = pytest.importorskip("flask", reason="Flask is not installed: make test installs it")
    module = pytest.importorskip(package, reason=f"{package} is not installed: make test installs it")
    middleware = module.lazy_broker.AppContextMiddleware if package == "flask_melodramatiq" else module.AppContextMiddleware
    torn_down: list[str] = []

    def make() -> list[Any]:
        flask_app = flask.Flask("shop")
        flask_app.teardown_appcontext(lambda error: torn_down.append(type(error).__name__))
        return [middleware(flask_app)]

    def scenario(side: Side, _: list[Any]) -> tuple[list[str], list[str]]:
        seen: list[str] = []

        def task(name: str) -> None:
            assert not hasattr(flask.g, "name")
            flask.g.name = name
            time.sleep(0.001)
            seen.append(f"{flask.current_app.name} {flask.g.name}")
            if name == "fails":
                raise ValueError("boom")

        side.actor(task)
        for n in range(6):
            side.send("task", f"n{n}")
        side.send("task", "fails")
        torn_down.clear()
        side.run()
        return sorted(seen), sorted(torn_down)

    theirs, ours = on_both(make, scenario, colour)

    assert ours == theirs
    assert ours[0] == ["shop fails", *(f"shop n{n}" for n in range(6))]
    assert ours[1] == ["NoneType"] * 6 + ["ValueError"]


def reported(sentry: str) -> tuple[Any, Callable[[], Any]]:
    """Return the list of what is sent to Sentry, and a function that makes the middleware of *sentry*."""
    sentry_sdk = pytest.importorskip("sentry_sdk", reason="sentry-sdk is not installed: make test installs it")
    module = pytest.importorskip(sentry, reason=f"{sentry} is not installed: make test installs it")
    events: list[Any] = []

    class Transport(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope: Any) -> None:
            events.extend(item.payload.json for item in envelope.items if item.type == "event")

    sentry_sdk.init(
        dsn="http://key@localhost/1",
        transport=Transport,
        integrations=[module.DramatiqIntegration()],
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    return events, module.SentryMiddleware


def facts(event: Any) -> tuple[str, ...]:
    """Return the tag that the actor has set, the error, and what of the message is in *event*."""
    told = event["contexts"]["dramatiq"].get("data", {})  # sentry-dramatiq leaves it out with SDK 2
    return event["tags"].get("name", ""), event["exception"]["values"][-1]["value"], told.get("actor_name", ""), str(told.get("args", ""))


@pytest.mark.parametrize("sentry", ["sentry_sdk.integrations.dramatiq", "sentry_dramatiq"])
def test_sentry(colour: str, sentry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dramatiq

    monkeypatch.setattr(dramatiq.Broker, "__init__", dramatiq.Broker.__init__)  # which the integration patches
    events, middleware = reported(sentry)
    monkeypatch.undo()
    import sentry_sdk

    def scenario(side: Side, _: list[Any]) -> list[Any]:
        def task(name: str) -> None:
            sentry_sdk.set_tag("name", name)
            raise ValueError(name)

        side.actor(task, throws=KeyError)
        for name in ("a", "b"):
            side.send("task", name)
        events.clear()
        side.run()
        return sorted(map(facts, events))

    try:
        theirs, ours = on_both(lambda: [middleware()], scenario, colour)
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.Scope.get_global_scope().set_client(None)

    assert ours == theirs
    assert [event[:2] for event in ours] == [("a", "a"), ("b", "b")]


def test_scout_apm(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scout = pytest.importorskip("scout_apm.dramatiq", reason="scout-apm is not installed: make test installs it")
    from scout_apm.core.tracked_request import TrackedRequest

    monkeypatch.setattr("scout_apm.core.install", lambda *_, **__: True)  # no agent
    from scout_apm.core.context import context

    finished: list[Any] = []

    def finish(request: Any) -> None:
        finished.append(request)
        context.clear_tracked_request(request)

    monkeypatch.setattr(TrackedRequest, "finish", finish)

    def scenario(side: Side, _: list[Any]) -> list[Any]:
        def task(fails: bool) -> None:
            if fails:
                raise ValueError("boom")

        side.actor(task)
        side.send("task", False)
        side.send("task", True)
        finished.clear()
        side.run()
        return sorted(
            (request.operation, request.tags.get("error", ""), len(request.active_spans)) for request in finished if request.is_real_request
        )

    theirs, ours = on_both(lambda: [scout.ScoutMiddleware()], scenario, colour)

    assert ours == theirs == [("Job/task", "", 0), ("Job/task", "true", 0)]


def test_dramatiq_abort(colour: str) -> None:
    dramatiq_abort = pytest.importorskip("dramatiq_abort", reason="dramatiq-abort is not installed: make test installs it")
    from dramatiq_abort.backends import StubBackend

    def scenario(side: Side, middleware: list[Any]) -> list[str]:
        import asyncio

        seen: list[str] = []

        def task(name: str) -> None:
            seen.append(f"{name} began")
            while True:
                time.sleep(0.001)

        async def atask(name: str) -> None:
            seen.append(f"{name} began")
            try:
                await asyncio.sleep(60)
            finally:
                seen.append(f"{name} ended")

        fn = task if colour == "sync" else atask
        fn.__name__ = "task"
        side.actor(fn)
        pending, running = side.send("task", "pending"), side.send("task", "running")
        (abortable,) = middleware
        abortable.wait_timeout = 20
        abortable.abort(pending.message_id, mode=dramatiq_abort.middleware.AbortMode.CANCEL)
        with side.worker():
            wait_until(lambda: "running began" in seen)
            abortable.abort(running.message_id)
            wait_until(side.done)
        return seen

    theirs, ours = on_both(lambda: [dramatiq_abort.Abortable(backend=StubBackend())], scenario, colour)

    assert ours == theirs == ["running began", *(["running ended"] if colour == "async" else [])]
