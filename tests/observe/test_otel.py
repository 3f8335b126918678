"""Spans and metrics, read back from the SDK's exporters in memory."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from fq import App, BrokerUnavailable, Snooze, compose, default_middleware
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.observe.otel import otel
from tests.errors.bad_exceptions import Hostile
from tests.processes import running

both = pytest.mark.parametrize("colour", ["sync", "async"])


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """Set the providers of this process, which can be set once only."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="module")
def reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


@pytest.fixture(autouse=True)
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


@pytest.fixture
def app() -> App:
    return App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(otel(), default_middleware))


def named(spans: InMemorySpanExporter, name: str, actor: str = "") -> list[ReadableSpan]:
    found = [span for span in spans.get_finished_spans() if span.name == name]
    return [span for span in found if not actor or span.attributes.get("fq.actor.name") == actor]  # type: ignore[union-attr]


def points_of(reader: InMemoryMetricReader, queue: str) -> dict[str, list[Any]]:
    """The measurements of one queue, by the name of their metric."""
    found = reader.get_metrics_data()
    assert found is not None
    return {
        metric.name: [point for point in metric.data.data_points if (point.attributes or {}).get("messaging.destination.name") == queue]
        for resource in found.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.trace_id


def declare(app: App, colour: str, name: str, *errors: BaseException, **options: object):  # type: ignore[no-untyped-def]
    left = list(errors)

    def run(*_: object) -> int:
        if left:
            raise left.pop(0)
        return 1

    async def arun(*_: object) -> int:
        return run()

    return app.actor(name=name, **options)(run if colour == "sync" else arun)  # type: ignore[call-overload]


@both
def test_a_message_is_one_trace_of_a_send_and_a_process_span(app: App, colour: str, spans: InMemorySpanExporter) -> None:
    handle = declare(app, colour, "add", queue="mail").send()
    app.run_until_idle()
    (sent,), (processed,) = named(spans, "send mail"), named(spans, "process mail")

    assert (sent.kind, processed.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert processed.parent is not None
    assert processed.parent.span_id == id_of(sent)
    assert [link.context.span_id for link in processed.links] == [id_of(sent)]
    assert processed.attributes is not None
    assert {
        "messaging.system": "fq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.message.id": handle.message_id,
        "fq.actor.name": "add",
        "fq.message.deliveries": 1,
        "fq.message.retries": 0,
        "fq.outcome": "success",
    }.items() <= dict(processed.attributes).items()
    assert processed.status.status_code is StatusCode.UNSET


@both
def test_a_retry_is_in_the_same_trace_and_links_to_the_attempt_before(app: App, colour: str, spans: InMemorySpanExporter) -> None:
    declare(app, colour, "flaky", ValueError("no"), ValueError("no"), max_retries=3).send()
    app.run_until_idle()
    (sent,) = named(spans, "send default")
    first, second, third = named(spans, "process default")

    assert len({trace_of(span) for span in (sent, first, second, third)}) == 1
    assert [link.context.span_id for link in second.links] == [id_of(sent), id_of(first)]
    assert [link.context.span_id for link in third.links] == [id_of(sent), id_of(second)]
    assert [span.attributes["fq.outcome"] for span in (first, second, third)] == ["retry", "retry", "success"]  # type: ignore[index]
    assert first.status.status_code is StatusCode.ERROR
    assert first.attributes["error.type"] == "ValueError"  # type: ignore[index]
    assert [event.name for event in first.events] == ["exception"]


@both
def test_pipelines_groups_and_callbacks_stay_in_the_trace(app: App, colour: str, spans: InMemorySpanExporter) -> None:
    report = declare(app, colour, "report")
    first = declare(app, colour, "first", on_success=report)
    second, total = declare(app, colour, "second"), declare(app, colour, "total")
    with trace.get_tracer("test").start_as_current_span("request") as request:
        (app.group([first.call(), first.call()]) | second | total).send()
    app.run_until_idle()

    processed = named(spans, "process default")
    assert sorted(span.attributes["fq.actor.name"] for span in processed) == ["first", "first", "report", "report", "second", "total"]  # type: ignore[index, type-var]
    assert {trace_of(span) for span in spans.get_finished_spans()} == {request.get_span_context().trace_id}
    (of_second,), (of_total,) = named(spans, "send default", "second"), named(spans, "send default", "total")
    parents = {id_of(span): span.attributes["fq.actor.name"] for span in processed}  # type: ignore[index]
    assert of_second.parent is not None
    assert parents[of_second.parent.span_id] == "first"
    assert of_total.parent is not None
    assert parents[of_total.parent.span_id] == "second"


def test_a_span_inside_the_actor_is_a_child_of_its_attempt(app: App, spans: InMemorySpanExporter) -> None:
    @app.actor
    def query() -> None:
        with trace.get_tracer("test").start_as_current_span("select"):
            pass

    query.send()
    app.run_until_idle()
    (inner,), (processed,) = named(spans, "select"), named(spans, "process default")

    assert inner.parent is not None
    assert inner.parent.span_id == id_of(processed)
    assert trace.get_current_span().get_span_context().is_valid is False


def test_links_alone_if_asked_for_or_after_a_long_delay(spans: InMemorySpanExporter) -> None:
    linked = App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(otel(parent=False), default_middleware))
    joined = App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(otel(), default_middleware))
    declare(linked, "sync", "one").send()
    declare(joined, "sync", "two").call().delay(2 * 3_600_000).send()
    linked.run_until_idle()
    joined.run_until_idle()

    for processed, sent in zip(named(spans, "process default"), named(spans, "send default"), strict=True):
        assert processed.parent is None
        assert trace_of(processed) != trace_of(sent)
        assert [link.context.span_id for link in processed.links] == [id_of(sent)]


def test_what_is_no_error_of_the_actor_has_no_error_status(app: App, spans: InMemorySpanExporter) -> None:
    declare(app, "sync", "expects", KeyError("as it may"), throws=KeyError).send()
    declare(app, "sync", "waits", Snooze(1_000)).send()
    app.run_until_idle()

    assert all(span.status.status_code is StatusCode.UNSET for span in named(spans, "process default"))
    assert [span.attributes["fq.outcome"] for span in named(spans, "process default")] == ["dead", "snooze", "success"]  # type: ignore[index]


def test_a_context_that_a_message_has_is_kept(app: App, spans: InMemorySpanExporter) -> None:
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    actor = declare(app, "sync", "add")
    actor.call().with_options(options={"traceparent": given}).send()
    app.run_until_idle()
    (processed,) = named(spans, "process default")

    assert named(spans, "send default") == []
    assert f"{trace_of(processed):032x}" == "0af7651916cd43dd8448eb211c80319c"


def test_a_send_lasts_until_the_broker_has_the_message(spans: InMemorySpanExporter) -> None:
    class Watching(MemoryBroker):
        def enqueue(self, ops: object) -> int:
            before.append([span.name for span in spans.get_finished_spans()])
            return super().enqueue(ops)  # type: ignore[arg-type]

    before: list[list[str]] = []
    app = App(broker=Watching(), middleware=compose(otel(), default_middleware))
    declare(app, "sync", "add").send()

    assert before == [[]], "the span had ended before the call"
    assert len(named(spans, "send default")) == 1


class Down(MemoryBroker):
    def enqueue(self, ops: object) -> int:
        raise BrokerUnavailable("no route to the broker")

    async def aenqueue(self, ops: object) -> int:
        return self.enqueue(ops)


WAYS: dict[str, Callable[[App, object], object]] = {
    "send": lambda _, call: call.send(),  # type: ignore[attr-defined]
    "asend": lambda _, call: asyncio.run(call.asend()),  # type: ignore[attr-defined]
    "send_many": lambda app, call: app.send_many([call]),  # type: ignore[list-item]
    "asend_many": lambda app, call: asyncio.run(app.asend_many([call])),  # type: ignore[arg-type, list-item]
}


@pytest.mark.parametrize("way", WAYS)
def test_a_send_that_fails_has_the_error(way: str, spans: InMemorySpanExporter, reader: InMemoryMetricReader) -> None:
    app = App(broker=Down(), middleware=compose(otel(), default_middleware))
    with pytest.raises(BrokerUnavailable):
        WAYS[way](app, declare(app, "sync", "add", queue=f"down-{way}").call())
    (span,) = named(spans, f"send down-{way}")

    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "BrokerUnavailable"  # type: ignore[index]
    assert [event.name for event in span.events] == ["exception"]
    points = points_of(reader, f"down-{way}")
    for name in ("messaging.client.sent.messages", "messaging.client.operation.duration"):
        assert [point.attributes["error.type"] for point in points[name]] == ["BrokerUnavailable"]


def test_messages_of_one_call_have_a_span_each_and_one_together(app: App, spans: InMemorySpanExporter) -> None:
    with trace.get_tracer("test").start_as_current_span("request") as request:
        app.send_many([declare(app, "sync", "add", queue="many").call()] * 3)
    app.run_until_idle()
    (sent,), created, processed = named(spans, "send many"), named(spans, "create many"), named(spans, "process many")

    assert sent.kind is SpanKind.CLIENT
    assert sent.attributes["messaging.batch.message_count"] == 3  # type: ignore[index]
    assert [span.kind for span in created] == [SpanKind.PRODUCER] * 3
    assert [span.attributes["messaging.operation.type"] for span in created] == ["create"] * 3  # type: ignore[index]
    assert [link.context.span_id for link in sent.links] == [id_of(span) for span in created]
    assert [span.parent.span_id for span in processed] == [id_of(span) for span in created]  # type: ignore[union-attr]
    assert {trace_of(span) for span in (sent, *created, *processed)} == {request.get_span_context().trace_id}


def test_one_span_for_a_batch_if_asked_for(spans: InMemorySpanExporter) -> None:
    app = App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(otel(create_spans=False), default_middleware))
    app.send_many(declare(app, "sync", name, queue=name).call() for name in ("one", "two"))
    app.run_until_idle()
    (sent,) = named(spans, "send")

    assert sorted(span.name for span in spans.get_finished_spans()) == ["process one", "process two", "send"]
    assert "messaging.destination.name" not in sent.attributes  # type: ignore[operator]
    assert {span.parent.span_id for span in spans.get_finished_spans()[1:]} == {id_of(sent)}  # type: ignore[union-attr]


@both
def test_the_tick_of_a_schedule_begins_a_trace_that_what_follows_stays_in(app: App, colour: str, spans: InMemorySpanExporter) -> None:
    first, second = declare(app, colour, "first", ValueError("no"), min_backoff=1), declare(app, colour, "second")
    app.every(60_000, first.call() | second, name="ticks")
    app.run_until_idle(until=datetime.fromtimestamp((app.broker.now() + 61_000) / 1_000, UTC))
    sent, attempt, again, last = (*named(spans, "send default", "first"), *named(spans, "process default"))

    assert attempt.parent is None
    assert [link.context.span_id for link in attempt.links] == [id_of(sent)]
    assert [link.context.span_id for link in again.links] == [id_of(sent), id_of(attempt)]
    assert (again.attributes["fq.actor.name"], last.attributes["fq.actor.name"]) == ("first", "second")  # type: ignore[index]
    assert trace_of(last) == trace_of(again)


def test_an_error_whose_class_has_bugs_is_noted_and_stays_the_error(app: App, spans: InMemorySpanExporter) -> None:
    handle = declare(app, "sync", "add", Hostile(), max_retries=0).send()
    app.run_until_idle()
    (processed,) = named(spans, "process default")

    assert processed.attributes["error.type"] == "Hostile"  # type: ignore[index]
    assert handle.status().fault.type == "Hostile"


def test_metrics_count_sends_deliveries_and_time(app: App, reader: InMemoryMetricReader) -> None:
    declare(app, "sync", "flaky", ValueError("no"), max_retries=1, queue=(queue := f"counted-{uuid4()}")).send()
    app.run_until_idle()
    points = points_of(reader, queue)

    assert sum(point.value for point in points["messaging.client.consumed.messages"]) == 2
    assert sum(point.count for point in points["messaging.process.duration"]) == 2
    assert {point.attributes.get("error.type") for point in points["messaging.process.duration"]} == {None, "ValueError"}
    assert points["messaging.client.sent.messages"][0].attributes["messaging.operation.name"] == "send"
    assert points["messaging.client.sent.messages"][0].value == 1, "a retry is no new message"
    assert points["messaging.client.operation.duration"][0].count == 1


TASKS = """
from pathlib import Path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from attrs import frozen
from fq import App, Middleware, compose, default_middleware
from fq.core.events import ProcessBooted, WorkerStopped
from fq.observe.otel import otel


@frozen
class Exporting(Middleware):
    def on_event(self, event):
        if isinstance(event, ProcessBooted):
            provider = TracerProvider()
            out = open("spans.jsonl", "a")
            to_line = lambda span: span.to_json(indent=None) + "\\n"
            provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=out, formatter=to_line)))
            trace.set_tracer_provider(provider)
        elif isinstance(event, WorkerStopped):
            trace.get_tracer_provider().shutdown()


app = App("sqlite:///jobs.db", middleware=compose(otel(), Exporting(), default_middleware))

@app.actor
def first() -> int:
    return 1

@app.actor
def second(n: int) -> int:
    return n
"""


def test_spans_of_forked_children_are_exported_in_batches(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(tmp_path)])}
    code = "from tasks import *; h = (first.call() | second).send(); assert h.get_result(block=True, timeout=60_000) == 1"
    command = [sys.executable, "-m", "fq", "worker", "tasks:app", "-p", "2", "-t", "1"]
    with running(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as worker:
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=90)
        worker.terminate()
        worker.wait(60)
    found = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]

    # The sender has no provider, so the trace begins with the first attempt.
    assert sorted(span["name"] for span in found) == ["process default", "process default", "send default"]
    assert len({span["context"]["trace_id"] for span in found}) == 1


def test_the_spans_say_where_the_server_is(spans: InMemorySpanExporter) -> None:
    class Named(MemoryBroker):
        def __str__(self) -> str:
            return "redis://cache.example:6380/0"

    app = App(broker=Named(clock=ManualClock()), middleware=compose(otel(), default_middleware))
    declare(app, "sync", "add").send()
    app.run_until_idle()

    places = [(span.attributes["server.address"], span.attributes["server.port"]) for span in spans.get_finished_spans()]  # type: ignore[index]
    assert places == [("cache.example", 6380)] * 2
