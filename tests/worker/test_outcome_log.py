"""What the log says of failures, and what any exception of others may do to its message: nothing."""

import asyncio
import gc
import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from returns.result import Success

from fq import App, Fault, LayerError, Message, Outcome, Retries, RetryAfter, Snooze, Step, cancellation, default_middleware, hooks
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.brokers.records import EnqueueOp
from fq.brokers.sqlite import SqliteBroker
from fq.core.shown_call import Redact
from tests.errors.bad_exceptions import Hostile
from tests.wait_until import wait_until

both = pytest.mark.parametrize("colour", ["sync", "async"])


@pytest.fixture(params=["memory", "sqlite"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    made: Broker = MemoryBroker() if request.param == "memory" else SqliteBroker(tmp_path / "jobs.db")
    yield made
    made.close()


def declare(app: App, colour: str, error: object, runs: list[int], **options: object) -> object:
    def fails() -> int:
        runs.append(1)
        raise error  # type: ignore[misc]

    async def afails() -> int:
        runs.append(1)
        raise error  # type: ignore[misc]

    return app.actor(name="fails", **options)(fails if colour == "sync" else afails)  # type: ignore[call-overload]


@both
def test_an_exception_that_cannot_be_looked_at_is_retried_and_stored(broker: Broker, colour: str, silent: None) -> None:
    app, runs = App(broker=broker), []  # type: ignore[var-annotated]
    actor = declare(app, colour, Hostile(), runs, max_retries=2, min_backoff=0)
    handle = actor.send()  # type: ignore[attr-defined]
    with app.worker(threads=1):
        failure = handle.get().failure()

    assert len(runs) == 3
    assert isinstance(failure, Fault)
    assert failure.type == handle.status().fault.type == "Hostile"


@both
@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, KeyboardInterrupt, MemoryError, Hostile])
def test_whatever_an_actor_raises_is_a_failure_of_that_one_run(
    broker: Broker, colour: str, kind: type[BaseException], silent: None
) -> None:
    app, runs = App(broker=broker), []  # type: ignore[var-annotated]
    handle = declare(app, colour, kind(), runs, max_retries=0).send()  # type: ignore[attr-defined]
    with app.worker(threads=1):
        failure = handle.get().failure()

    assert len(runs) == 1
    assert failure.type == handle.status().fault.type == kind.__name__


@both
def test_a_line_about_a_retry_has_message_id_attempt_and_traceback(colour: str, caplog: pytest.LogCaptureFixture) -> None:
    app, runs = App(broker=MemoryBroker(clock=ManualClock())), []  # type: ignore[var-annotated]
    handle = declare(app, colour, ValueError("no"), runs, max_retries=2).send()  # type: ignore[attr-defined]
    app.run_until_idle()
    first, second, last = (record for record in caplog.records if record.name == "fq.worker")

    for number, record in enumerate((first, second, last), 1):
        assert f"(message {handle.message_id}, queue default, attempt {number} of 3, " in record.getMessage()
    assert first.exc_info is not None
    assert "will be tried again in" in second.getMessage()
    assert "is now a dead letter" in last.getMessage()


@both
def test_the_traceback_of_an_error_is_logged_once_for_each_message(colour: str, caplog: pytest.LogCaptureFixture) -> None:
    app, runs = App(broker=MemoryBroker(clock=ManualClock())), []  # type: ignore[var-annotated]
    actor = declare(app, colour, ValueError("no"), runs, max_retries=2)
    actor.send(), actor.send()  # type: ignore[attr-defined]
    app.run_until_idle()
    records = [record for record in caplog.records if record.name == "fq.worker"]

    assert [record.exc_info is not None for record in records] == [True, True, False, False, False, False]
    assert all("; the same error as before)" in record.getMessage() for record in records[2:])


def test_another_error_of_the_same_message_has_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    app, errors = App(broker=MemoryBroker(clock=ManualClock())), [ValueError("no"), ValueError("neither"), ValueError("no")]

    @app.actor(max_retries=2)
    def fails() -> None:
        raise errors.pop(0)

    fails.send()
    app.run_until_idle()

    assert [record.exc_info is not None for record in caplog.records if record.name == "fq.worker"] == [True, True, False]


def test_an_error_of_many_lines_is_one_line_and_whole_in_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    app, runs = App(broker=MemoryBroker(clock=ManualClock())), []  # type: ignore[var-annotated]
    declare(app, "sync", ValueError("no paper\nin tray 2"), runs, max_retries=1).send()  # type: ignore[attr-defined]
    app.run_until_idle()
    first, again = (record for record in caplog.records if record.name == "fq.worker")

    for record in (first, again):
        assert "ValueError: no paper … (message " in record.getMessage()
        assert "\n" not in record.getMessage()
    assert first.exc_info is not None
    assert "in tray 2" in logging.Formatter().formatException(first.exc_info)


def test_the_facts_of_a_failure_are_fields_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    app, runs = App(broker=MemoryBroker(clock=ManualClock())), []  # type: ignore[var-annotated]
    handle = declare(app, "sync", ValueError("no"), runs, max_retries=1, min_backoff=1_000, queue="mail").send()  # type: ignore[attr-defined]
    app.run_until_idle()
    first, last = (record.__dict__["fq"] for record in caplog.records if record.name == "fq.worker")

    expected = {"message_id": handle.message_id, "actor": "fails", "queue": "mail", "attempts": 2, "error": "ValueError"}
    assert expected.items() <= first.items()
    assert expected.items() <= last.items()
    assert (first["attempt"], first["outcome"], last["attempt"], last["outcome"]) == (1, "retry", 2, "dead")
    assert 1_000 <= first["next_try_ms"] <= 2_000
    assert first["duration_ms"] >= 0


def test_the_traceback_begins_in_the_users_code(caplog: pytest.LogCaptureFixture) -> None:
    app, runs = App(broker=MemoryBroker()), []  # type: ignore[var-annotated]
    handle = declare(app, "sync", ValueError("no"), runs, max_retries=0).send()  # type: ignore[attr-defined]
    app.run_until_idle()
    fault = handle.status().fault

    for text in (caplog.text, fault.traceback):
        assert "in fails" in text
        assert "/fq/" not in text.replace("\\", "/").partition("Traceback")[2]


@both
def test_a_success_is_one_line_if_all_are_logged(colour: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fq.worker")
    app = App(broker=MemoryBroker())

    def add(a: int, b: str) -> int:
        return a

    async def aadd(a: int, b: str) -> int:
        return a

    actor = app.actor(name="add")(add if colour == "sync" else aadd)  # type: ignore[arg-type]
    with app.worker(threads=1):
        actor.send(1, "one").get()
    assert "succeeded" not in caplog.text

    with app.worker(threads=1, log_tasks=True):
        handle = actor.send(2, "two")
        handle.get()

    (record,) = (record for record in caplog.records if "succeeded" in record.getMessage())
    assert record.getMessage().startswith(f"add(int, str of 3) succeeded (message {handle.message_id}, queue default, attempt 1 of 21, ")
    assert record.getMessage().endswith(" ms)")
    assert (record.levelno, record.__dict__["fq"]["outcome"]) == (logging.INFO, "success")


@pytest.mark.parametrize(
    ("of_app", "of_actor", "shown"),
    [
        (True, None, "pay(int, str of 9, note=None)"),
        (False, None, "pay(17, '4000 1234', note=None)"),
        (False, True, "pay(int, str of 9, note=None)"),
        (True, False, "pay(17, '4000 1234', note=None)"),
        (lambda name, value: "***" if name == "card" else value, None, "pay(17, '***', note=None)"),
        (lambda name, value: 1 / 0, None, "pay(<redact raised ZeroDivisionError>, <redact raised ZeroDivisionError>, "),
    ],
)
def test_arguments_are_shown_as_the_app_or_the_actor_says(
    of_app: Redact, of_actor: Redact | None, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(broker=MemoryBroker(), redact=of_app)

    @app.actor(max_retries=0, redact=of_actor)
    def pay(order: int, card: str, note: str | None = "") -> None:
        raise ValueError("no")

    pay.send(17, "4000 1234", note=None)
    app.run_until_idle()

    assert f"{shown}" in caplog.text


def test_a_large_error_is_logged_cut_and_whole_if_asked(caplog: pytest.LogCaptureFixture) -> None:
    app, runs = App(broker=MemoryBroker()), []  # type: ignore[var-annotated]
    actor = declare(app, "sync", ValueError("x" * 1_000_000), runs, max_retries=0)
    actor.send()  # type: ignore[attr-defined]
    app.run_until_idle()
    assert len(caplog.text) < 20_000

    caplog.set_level(logging.DEBUG, "fq.worker")
    actor.send()  # type: ignore[attr-defined]
    app.run_until_idle()
    assert len(caplog.text) > 1_000_000


@frozen
class Buggy(Step):
    def after(self, message: Message, outcome: Outcome) -> Outcome:
        return helper(message)


def helper(message: Message) -> Outcome:
    raise ZeroDivisionError


def test_the_error_of_a_layer_keeps_its_traceback_and_that_of_the_actor(caplog: pytest.LogCaptureFixture) -> None:
    app, runs = App(broker=MemoryBroker(), middleware=default_middleware.outside(Retries, Buggy())), []  # type: ignore[var-annotated]
    handle = declare(app, "sync", KeyError("the actor's"), runs, max_retries=0).send()  # type: ignore[attr-defined]
    app.run_until_idle()
    traceback = handle.status().fault.traceback

    assert handle.status().fault.type == LayerError.__name__
    for text in (traceback, caplog.text):
        assert "in helper" in text
        assert 'KeyError: "the actor\'s"' in text


@pytest.mark.parametrize("delay", ["120", 1.5, None])
@pytest.mark.parametrize("kind", [RetryAfter, Snooze])
def test_a_delay_that_is_none_is_a_failure_in_the_actors_own_line_that_is_tried_again(
    kind: type[RetryAfter], delay: object, silent: None
) -> None:
    app, runs = App(broker=MemoryBroker(clock=ManualClock())), []  # type: ignore[var-annotated]

    @app.actor(max_retries=1, min_backoff=0)
    def polite() -> int:
        runs.append(1)
        raise kind(delay)  # type: ignore[arg-type]

    handle = polite.send()
    app.run_until_idle()

    assert len(runs) == 2
    assert (handle.status().fault.type, "in polite" in handle.status().fault.traceback) == ("TypeError", True)  # type: ignore[union-attr]


def test_a_body_with_the_id_of_another_message_is_a_dead_letter(broker: Broker, silent: None) -> None:
    app = App(broker=broker)

    @app.actor
    def one() -> int:
        raise AssertionError("it ran")

    app.broker.enqueue([EnqueueOp("m1", "default", "one", 0, 0, b'{"message_id":"m2","actor_name":"one"}')])
    app.run_until_idle()
    (letter,) = app.broker.dead_letters()

    assert (letter.message_id, letter.fault.type) == ("m1", "DecodeError")
    assert "found the message m2, expected m1" in letter.fault.message


# Whatever a foreign producer writes.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([10**400, -1, 10**18, "sync", "async", "\udc80"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OPTIONS = ["retries", "max_retries", "min_backoff", "max_backoff", "throws", "retry_when", "max_age", "time_limit", "on_success", "on_failure",
    "on_retry_exhausted", "pipe_ignore", "store_results", "result_ttl", "max_deliveries", "notify_shutdown", "cancellable", "group_ttl", "eta",
    "pipe", "group", "gathered", "fq.pipe", "fq.group", "fq.gathered", "fq.unknown_since", "traceback", "requeue_timestamp"]  # fmt: skip
FIELDS = ["args", "kwargs", "options", "queue_name", "message_timestamp", "priority", "time_limit", "more"]


class Quiet:
    """Class-style middleware: with it, messages are read in the thread that serves all others."""

    def before_process_message(self, broker: object, message: object) -> None: ...

    def before_ack(self, broker: object, message: object) -> None: ...

    def before_nack(self, broker: object, message: object) -> None: ...


@pytest.mark.parametrize(
    "middleware", [default_middleware.add(cancellation()), default_middleware.add(hooks(Quiet()))], ids=["plain", "watched"]
)
@settings(max_examples=60, deadline=None)
@given(
    actor=st.sampled_from(["sync", "async", "nobody"]),
    options=st.dictionaries(st.sampled_from(OPTIONS), JSON, max_size=4),
    fields=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=2),
)
def test_no_message_raises_in_what_serves_all_others(
    middleware: object, actor: str, options: dict[str, object], fields: dict[str, object]
) -> None:
    logging.disable(logging.CRITICAL)
    app = App(broker=MemoryBroker(clock=ManualClock()), middleware=middleware)  # type: ignore[arg-type]

    @app.actor(name="sync", max_retries=1)
    def fails(n: int = 0) -> int:
        raise ValueError("no")

    @app.actor(name="async", max_retries=1)
    async def afails(n: int = 0) -> int:
        raise ValueError("no")

    @app.actor
    def good() -> int:
        return 1

    body = json.dumps({"options": options, **fields, "message_id": "m1", "actor_name": actor}).encode()
    app.broker.enqueue([EnqueueOp("m1", "default", actor, 0, 0, body)])
    handle = good.send()
    try:
        with app.worker(threads=1, unknown_actor_grace=0, shutdown_timeout=0) as worker:
            assert handle.get() == Success(1)
            wait_until(lambda: app.broker.status("m1").state in ("dead", "done", "delayed", "unknown", "missing"), what="its end")
            app.broker.cancel("m1")
            assert worker.lost is None
            assert worker.dispatcher.alive
    finally:
        logging.disable(logging.NOTSET)


def test_what_is_cut_short_on_the_event_loop_is_freed_without_the_cyclic_collector(app: App) -> None:
    @app.actor(time_limit=5, max_retries=0, store_results=False)
    async def slow() -> None:
        await asyncio.sleep(60)

    def run(count: int) -> "Counter[str]":
        ids = [handle.message_id for handle in app.send_many(slow.call() for _ in range(count))]
        wait_until(lambda: all(app.broker.status(message_id).state == "dead" for message_id in ids))
        app.broker.discard(ids)
        return Counter(type(each).__name__ for each in gc.get_objects())

    with app.worker(threads=1):
        run(10)
        gc.collect()
        gc.disable()
        try:
            before = run(1)
            run(300)
            # The pump lets go of the last that it has committed. Without a collector, nothing else goes by waiting.
            wait_until(
                lambda: all(number - before[kind] <= 100 for kind, number in run(1).items()), what="the end of all that was cut short"
            )
        finally:
            gc.enable()
