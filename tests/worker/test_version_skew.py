"""Two releases of an app side by side: what one sends and the other cannot take is left to those that can, on every broker and in both colours."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from returns.result import Success

from fq import App, Fault
from fq.brokers.clock import ManualClock
from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.brokers.records import EnqueueOp
from fq.brokers.sqlite import SqliteBroker
from fq.core.message import Message
from fq.execution import version_skew
from fq.wire.codec import encode
from tests.wait_until import wait_until


@pytest.fixture(params=["memory", "sqlite"])
def broker(request: pytest.FixtureRequest, tmp_path: Path, silent: None) -> Iterator[Broker]:
    made: Broker = MemoryBroker() if request.param == "memory" else SqliteBroker(tmp_path / "jobs.db")
    yield made
    made.close()


def old_release(app: App, colour: str, **options: object) -> None:
    def charge(order: int) -> str:
        return "old"

    async def acharge(order: int) -> str:
        return "old"

    declare: Callable[..., object] = app.actor(name="charge", **options)  # type: ignore[call-overload]
    declare(charge if colour == "sync" else acharge)


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_an_argument_of_the_next_release_waits_for_a_worker_of_it(broker: Broker, colour: str) -> None:
    old, new = App(broker=broker), App(broker=broker)
    old_release(old, colour, max_retries=0)

    @new.actor(name="charge", max_retries=0)
    def charge(order: int, currency: str = "EUR") -> str:
        return f"new {currency}"

    with old.worker(threads=1):
        handle = charge.send(1, currency="USD")
        wait_until(lambda: handle.status().state == "delayed")
    with new.worker(threads=1):
        assert handle.get() == Success("new USD")


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_message_that_no_worker_can_run_fails_and_its_group_and_callbacks_hear_of_it(silent: None, colour: str) -> None:
    broker = MemoryBroker(clock=ManualClock())
    old, new = App(broker=broker), App(broker=broker)
    told: list[object] = []

    @old.actor
    def hear(message: dict[str, object], error: dict[str, object]) -> None:
        told.append(error["type"])

    @old.actor
    def report(values: list[object]) -> None:
        told.append(values)

    old_release(old, colour, max_retries=3, on_failure="hear")

    @new.actor(name="charge")
    def charge(order: int, currency: str = "EUR") -> str:
        return f"new {currency}"

    @new.actor(name="report")
    def areport(values: list[object]) -> None: ...

    handle = charge.send(1, currency="USD")
    new.group([charge.call(2), charge.call(3, currency="USD")], on_member_failure="collect").then(areport).send()
    old.run_until_idle()

    assert handle.status().state == "dead"
    failure = handle.get(0).failure()
    assert isinstance(failure, Fault)
    assert failure.type == "InvalidArguments"
    assert failure.message.endswith("charge() got an unexpected keyword argument 'currency'")
    assert told[0] == "InvalidArguments"
    assert [value if isinstance(value, str) else value["type"] for value in told[-1]] == ["old", "InvalidArguments"]  # type: ignore[attr-defined]


def test_a_value_that_does_not_convert_is_left_to_others_as_well(silent: None) -> None:
    broker = MemoryBroker(clock=ManualClock())
    old, new = App(broker=broker), App(broker=broker)
    old_release(old, "sync", max_retries=0)

    @new.actor(name="charge")
    def charge(order: str) -> str:
        return order

    handle = charge.send("A-17")
    started = broker.now()
    old.run_until_idle()

    assert broker.now() - started == 60_000  # the clock jumped
    assert "order: expected int, found 'A-17'" in handle.status().fault.message  # type: ignore[union-attr]


@pytest.mark.parametrize("since", ["x", None, -5, True, 10**30, 1.5, [], {"a": 1}])
def test_whatever_a_foreign_producer_says_of_the_wait_it_ends(silent: None, since: object) -> None:
    app = App(broker=MemoryBroker(clock=ManualClock()))
    old_release(app, "sync", max_retries=0)

    for name in ("charge", "nobody"):
        sent = Message(message_id=name, actor_name=name, options={"fq.unknown_since": since})
        app.broker.enqueue([EnqueueOp(name, "default", name, 0, 0, encode(sent))])
    app.run_until_idle()

    assert {letter.fault.type for letter in app.broker.dead_letters()} == {"InvalidArguments", "ActorNotFound"}


def test_the_log_says_once_why_messages_are_left_to_other_workers(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_skew, "_logged", set())
    broker = MemoryBroker(clock=ManualClock())
    old, new = App(broker=broker), App(broker=broker)
    old_release(old, "sync")

    @new.actor(name="charge")
    def charge(order: int, currency: str) -> str:
        return currency

    @new.actor
    def refund(order: int) -> int:
        return order

    for _ in range(2):
        charge.send(1, currency="USD")
        refund.send(1)
    old.run_until_idle()

    said = sorted(record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert [text.split()[0] for text in said] == ["charge", "refund"]
    assert "older code than the sender" in said[0]
    assert "this worker declares no actor called refund; import the module that declares it" in said[1]
