"""The layer that counts: as a function, in a worker inside this process, and as its metrics are shown."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fq import App, Outcome, Prometheus, Retries, Snooze, compose, default_middleware, prometheus, retries
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import EnqueueOp, QueueStats
from fq.core.events import Committed, Started
from fq.core.outcome import Enqueue
from fq.errors import BrokerUnavailable
from fq.observe.broker_metrics import queue_metrics
from fq.observe.layer import counters_of
from fq.observe.meter import ERRORS, IN_PROGRESS, MESSAGES, REJECTS, RETRIES, MetricTotals
from fq.testing import message
from tests.wait_until import wait_until

BOOM = ValueError("no")
MESSAGE = message("add", 1, 2)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def app(registry: CollectorRegistry) -> App:
    return App(broker=MemoryBroker(), middleware=compose(prometheus(registry=registry), default_middleware))


def scraped(registry: CollectorRegistry) -> dict[tuple[str, str, str], float]:
    """Return the samples by name, queue and actor, as prometheus_client itself reads them."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples if not sample.name.endswith("_bucket")]
    return {(sample.name, sample.labels.get("queue_name", ""), sample.labels.get("actor_name", "")): sample.value for sample in samples}


def tally(layer: Prometheus) -> MetricTotals:
    return layer.meter.totals()["default", "add"]


def test_a_message_that_runs_is_in_progress_and_then_timed() -> None:
    layer = prometheus()
    seen: list[float] = []

    def handler(_: object) -> Outcome:
        seen.append(tally(layer).cells[IN_PROGRESS])
        time.sleep(0.012)
        return Outcome.success()

    layer.wrap(handler)(MESSAGE)

    assert seen == [1]
    assert tally(layer).cells[IN_PROGRESS] == 0
    assert tally(layer).durations.counts[:2] == (0, 0)
    assert tally(layer).durations.counts[-1] == 1
    assert tally(layer).durations.sum >= 12


def test_a_base_exception_leaves_nothing_in_progress() -> None:
    layer = prometheus()

    def handler(_: object) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layer.wrap(handler)(MESSAGE)

    assert tally(layer).cells[IN_PROGRESS] == 0


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.success(), [MESSAGES]),
        (Outcome.drop("no"), [MESSAGES]),
        (Outcome.failure(BOOM), [MESSAGES, ERRORS, REJECTS]),
        (retries().wrap(lambda _: Outcome.failure(BOOM))(MESSAGE), [MESSAGES, ERRORS, RETRIES]),
        (retries().wrap(lambda _: Outcome.failure(Snooze(5)))(MESSAGE), [MESSAGES]),
    ],
    ids=["success", "drop", "dead letter", "retry", "snooze"],
)
def test_what_an_outcome_counts_as(outcome: Outcome, expected: list[int]) -> None:
    assert counters_of(outcome) == expected


def test_an_outcome_that_came_too_late_counts_as_nothing_else() -> None:
    layer = prometheus()
    layer.on_event(Committed(MESSAGE, Outcome.success(), stale=True))

    assert tally(layer).cells[MESSAGES] == 0


def test_the_wait_is_from_when_a_message_was_ready() -> None:
    layer = prometheus()
    layer.on_event(Started(message("add", message_timestamp=1_000, received_at=1_040)))
    layer.on_event(Started(message("add", message_timestamp=1_000, received_at=61_005, eta=61_000)))
    layer.on_event(Started(message("add", message_timestamp=1_000, received_at=900)))  # another host's clock

    assert tally(layer).waits.sum == 45
    assert tally(layer).waits.counts[0] == 2


@pytest.mark.parametrize("due", ["soon", None], ids=str)
def test_a_message_with_an_odd_due_time_is_processed(due: object, app: App, registry: CollectorRegistry) -> None:
    @app.actor
    def add() -> int:
        return 1

    with app.worker(threads=1):
        handle = add.call().with_options(options={"eta": due}).send()
        assert handle.get_result(block=True) == 1
        assert scraped(registry)["fq_message_queue_seconds_count", "default", "add"] == 1


def test_a_message_that_is_to_wait_says_until_when() -> None:
    layer, now = prometheus(), time.time_ns() // 1_000_000
    fresh = message("add", message_timestamp=now)

    assert layer.on_enqueue(Enqueue(fresh)) == Enqueue(fresh)
    delayed = layer.on_enqueue(Enqueue(fresh, 5_000)).message.options["eta"]
    retried = layer.on_enqueue(Enqueue(message("add", message_timestamp=now - 60_000), 0)).message.options["eta"]

    assert abs(delayed - now - 5_000) < 1_000  # type: ignore[operator]
    assert abs(retried - now) < 1_000  # type: ignore[operator]


def test_a_worker_inside_this_process_shows_its_metrics_while_it_runs(app: App, registry: CollectorRegistry) -> None:
    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    @app.actor(max_retries=1, min_backoff=1, queue="bad")
    async def fails() -> None:
        raise ValueError("no")

    for _ in range(20):
        add.send(1, 2)
    fails.send()
    add.call(1, 2).delay(60_000).send()
    with app.worker(threads=2):
        wait_until(lambda: app.broker.dead_letters() and scraped(registry).get(("fq_messages_total", "default", "add")) == 20)
        wait_until(lambda: scraped(registry)["fq_message_rejects_total", "bad", "fails"] == 1)
        seen = scraped(registry)

    assert seen["fq_workers_total", "", ""] == 1
    assert seen["fq_message_errors_total", "default", "add"] == 0
    assert seen["fq_messages_inprogress", "default", "add"] == 0
    assert seen["fq_message_duration_seconds_count", "default", "add"] == 20
    assert seen["fq_message_duration_milliseconds_count", "default", "add"] == 20
    assert seen["fq_message_queue_seconds_count", "default", "add"] == 20
    assert seen["fq_messages_total", "bad", "fails"] == 2
    assert seen["fq_message_errors_total", "bad", "fails"] == 2
    assert seen["fq_message_retries_total", "bad", "fails"] == 1
    assert seen["fq_stale_commits_total", "bad", "fails"] == 0
    assert seen["fq_lease_losses_total", "bad", "fails"] == 0
    assert seen["fq_broker_up", "", ""] == 1
    assert seen["fq_delayed_messages", "default", ""] == 1
    assert seen["fq_dead_messages", "bad", ""] == 1
    assert scraped(registry) == {}


def test_messages_for_undeclared_actors_are_counted_together(app: App, registry: CollectorRegistry) -> None:
    @app.actor
    def add() -> None: ...

    for number in range(3):
        app.broker.enqueue(
            [EnqueueOp(f"m{number}", "default", f"x{number}", 0, 0, b'{"message_id":"m%d","actor_name":"x%d"}' % (number, number))]
        )
    with app.worker(threads=1, unknown_actor_grace=0):
        wait_until(lambda: scraped(registry).get(("fq_message_rejects_total", "default", "")) == 3)


def test_two_workers_of_an_app_are_shown_once_and_until_the_last_is_gone(app: App, registry: CollectorRegistry) -> None:
    @app.actor
    def add() -> None: ...

    with app.worker(threads=1):
        with app.worker(threads=1):
            pass
        assert scraped(registry)["fq_workers_total", "", ""] == 1
    assert scraped(registry) == {}


def test_buckets_are_cumulative_and_the_last_one_is_the_count(app: App, registry: CollectorRegistry) -> None:
    @app.actor
    def add() -> None: ...

    add.send()
    with app.worker(threads=1):
        wait_until(lambda: scraped(registry).get(("fq_messages_total", "default", "add")) == 1)
        text = generate_latest(registry).decode()

    buckets = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "fq_message_duration_seconds_bucket"
    ]
    assert [sample.value for sample in buckets] == sorted(sample.value for sample in buckets)
    assert [sample.labels["le"] for sample in buckets][:2] == ["0.005", "0.01"]
    assert (buckets[-1].labels["le"], buckets[-1].value) == ("+Inf", 1)


def test_a_broker_that_is_gone_is_a_metric(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    @app.actor
    def add() -> None: ...

    def gone(most: int) -> Any:
        raise BrokerUnavailable("gone")

    with app.worker(threads=1):
        monkeypatch.setattr(app.broker, "queues", gone)
        seen = scraped(registry)

    assert seen["fq_broker_up", "", ""] == 0
    assert not any(name == "fq_ready_messages" for name, _, _ in seen)


def test_the_metrics_of_queues() -> None:
    stats = QueueStats("mail", ready=3, delayed=2, in_flight=4, dead=1, oldest=1_500, paused=True)
    samples = {sample.name: sample.value for family in queue_metrics([stats]) for sample in family.samples}

    assert samples == {
        "fq_ready_messages": 3,
        "fq_delayed_messages": 2,
        "fq_claimed_messages": 4,
        "fq_dead_messages": 1,
        "fq_queue_paused": 1,
        "fq_oldest_message_age_seconds": 1.5,
        "fq_depth_is_partial": 0,
    }


def test_it_has_no_options_for_actors() -> None:
    assert prometheus().accepted_options() == frozenset()


@pytest.mark.parametrize("wrong", [{"http_port": 70_000}, {"http_port": "9191"}, {"http_host": 3}], ids=str)
def test_an_address_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=next(iter(wrong))):
        prometheus(**wrong)


def test_it_is_a_value() -> None:
    assert prometheus(http_port=1) == prometheus(http_port=1)
    assert prometheus(http_port=1) != prometheus(http_port=2)
    assert eval(repr(prometheus(http_port=1))) == prometheus(http_port=1)
    assert str(compose(prometheus(), retries(max_retries=1))).startswith("Prometheus(http_host='127.0.0.1', http_port=9191)\n")


def test_it_may_be_placed_anywhere() -> None:
    assert [type(layer) for layer in compose(retries(), prometheus())] == [Retries, Prometheus]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    import logging

    logging.getLogger("fq.worker").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("fq.worker").setLevel(logging.NOTSET)
