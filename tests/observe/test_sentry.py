"""Events, transactions and check-ins, as Sentry's SDK would send them."""

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport

from fq import App, BrokerUnavailable, compose, default_middleware
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.observe.sentry import sentry

both = pytest.mark.parametrize("colour", ["sync", "async"])


class Kept(Transport):
    """Keeps what it is given to send."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[tuple[str, dict[str, object]]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.items += [(item.type or "", item.payload.json) for item in envelope.items if item.payload.json is not None]

    def of(self, kind: str) -> list[dict[str, object]]:
        return [payload for found, payload in self.items if found == kind]


@pytest.fixture
def sent() -> Iterator[Kept]:
    kept = Kept()
    sentry_sdk.init(dsn="https://key@example.com/1", transport=kept, traces_sample_rate=1.0, default_integrations=False)
    yield kept
    sentry_sdk.init()


@pytest.fixture
def app() -> App:
    return App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(sentry(), default_middleware))


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
def test_a_message_that_fails_for_good_is_one_event(app: App, sent: Kept, colour: str) -> None:
    handle = declare(app, colour, "pay", *[ValueError("no")] * 3, max_retries=2, queue="mail").send("4000 1234")
    app.run_until_idle()
    (event,) = sent.of("event")

    assert event["exception"]["values"][-1]["type"] == "ValueError"  # type: ignore[index]
    assert {"fq.actor": "pay", "fq.queue": "mail", "fq.message_id": handle.message_id}.items() <= event["tags"].items()  # type: ignore[attr-defined]
    assert event["transaction"] == "pay"
    assert "fq" not in event["contexts"], "arguments are not sent"  # type: ignore[operator]


@both
@pytest.mark.filterwarnings("ignore:The send_default_pii option")
@pytest.mark.parametrize("pii", [False, True])
def test_arguments_and_local_variables_are_sent_only_if_sentry_may_send_personal_data(app: App, colour: str, pii: bool) -> None:
    kept = Kept()
    sentry_sdk.init(dsn="https://key@example.com/1", transport=kept, default_integrations=False, send_default_pii=pii)
    declare(app, colour, "pay", ValueError("no"), max_retries=0).send("4000" + str(1234))
    app.run_until_idle()
    sentry_sdk.init()
    (event,) = kept.of("event")

    assert ("40001234" in json.dumps(event)) is pii
    assert len(event["exception"]["values"][-1]["stacktrace"]["frames"]) > 1  # type: ignore[index]


def test_the_log_of_a_failure_is_no_second_event(app: App) -> None:
    kept = Kept()
    sentry_sdk.init(
        dsn="https://key@example.com/1",
        transport=kept,
        default_integrations=False,
        integrations=[LoggingIntegration(event_level=logging.WARNING)],
    )
    declare(app, "sync", "pay", *[ValueError("no")] * 2, max_retries=1).send()
    app.run_until_idle()
    logging.getLogger("fq.worker").warning("another record")
    sentry_sdk.init()

    assert [event.get("logger") for event in kept.of("event")] == [None, "fq.worker"]


def test_each_attempt_is_an_event_if_asked_for(sent: Kept) -> None:
    app = App(broker=MemoryBroker(clock=ManualClock()), middleware=compose(sentry(every_attempt=True), default_middleware))
    declare(app, "sync", "pay", ValueError("no"), ValueError("no"), max_retries=5).send()
    app.run_until_idle()

    assert len(sent.of("event")) == 2


def test_an_error_that_the_actor_raises_on_purpose_is_no_event(app: App, sent: Kept) -> None:
    declare(app, "sync", "pay", KeyError("as it may"), throws=KeyError).send()
    app.run_until_idle()

    assert sent.of("event") == []


@both
def test_each_attempt_is_a_transaction_in_the_trace_of_its_sender(app: App, sent: Kept, colour: str) -> None:
    second = declare(app, colour, "second")
    first = declare(app, colour, "first", ValueError("no"), on_success=second)
    with sentry_sdk.start_transaction(op="http.server", name="request") as request:
        first.send()
        trace_id = request.trace_id
    app.run_until_idle()
    tasks = [each for each in sent.of("transaction") if each["contexts"]["trace"]["op"] == "queue.task.fq"]  # type: ignore[index]

    assert [each["transaction"] for each in tasks] == ["first", "first", "second"]
    assert {each["contexts"]["trace"]["trace_id"] for each in sent.of("transaction")} == {trace_id}  # type: ignore[index]
    assert [each["contexts"]["trace"]["status"] for each in tasks] == ["internal_error", "ok", "ok"]  # type: ignore[index]
    data = tasks[1]["contexts"]["trace"]["data"]  # type: ignore[index]
    assert (data["messaging.system"], data["messaging.message.retry.count"], data["messaging.destination.name"]) == ("fq", 1, "default")


@pytest.mark.parametrize("down", [False, True])
def test_the_span_of_a_send_lasts_until_the_broker_has_the_message(sent: Kept, down: bool) -> None:
    class Watching(MemoryBroker):
        def enqueue(self, ops: object) -> int:
            with sentry_sdk.start_span(op="db", name="the call"):
                pass
            if down:
                raise BrokerUnavailable("down")
            return super().enqueue(ops)  # type: ignore[arg-type]

    app = App(broker=Watching(), middleware=compose(sentry(), default_middleware))
    with sentry_sdk.start_transaction(op="http.server", name="request"), suppress(BrokerUnavailable):
        declare(app, "sync", "pay").send()
    spans = {span["op"]: span for span in sent.of("transaction")[0]["spans"]}  # type: ignore[attr-defined]

    assert spans["queue.publish"]["start_timestamp"] <= spans["db"]["start_timestamp"]
    assert spans["queue.publish"]["timestamp"] >= spans["db"]["timestamp"]
    assert spans["queue.publish"]["status"] == ("internal_error" if down else "ok")


def test_tags_of_one_message_do_not_appear_in_the_event_of_another(app: App, sent: Kept) -> None:
    @app.actor
    def tags() -> None:
        sentry_sdk.set_tag("left", "behind")

    tags.send()
    declare(app, "sync", "pay", ValueError("no"), max_retries=0).send()
    app.run_until_idle()
    (event,) = sent.of("event")

    assert "left" not in event["tags"]  # type: ignore[operator]


def test_without_a_set_up_sentry_nothing_is_added_to_a_message(app: App) -> None:
    sentry_sdk.init()
    actor = declare(app, "sync", "pay")
    handle = actor.send()
    app.run_until_idle()

    assert handle.get().unwrap() == 1


@both
def test_a_schedule_checks_in_when_its_message_begins_and_ends(app: App, sent: Kept, colour: str) -> None:
    actor = declare(app, colour, "report", ValueError("no"), max_retries=1, min_backoff=1)
    app.every(60_000, actor.call(), name="Daily report")
    app.run_until_idle(until=datetime.fromtimestamp((app.broker.now() + 61_000) / 1_000, UTC))
    found = sent.of("check_in")

    assert [(each["monitor_slug"], each["status"]) for each in found] == [
        ("daily-report", "in_progress"),
        ("daily-report", "in_progress"),
        ("daily-report", "ok"),
    ]
    assert len({each["check_in_id"] for each in found}) == 1
    assert found[0]["monitor_config"] == {"schedule": {"type": "interval", "value": 1, "unit": "minute"}}, "Sentry makes the monitor of it"
    actor.send()
    app.run_until_idle()
    assert len(sent.of("check_in")) == 3
