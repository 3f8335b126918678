"""The calls that a worker makes of its broker, and what other threads may know of them."""

import threading
from collections.abc import Sequence

import pytest

from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest, Commit, Turn
from fq.errors import BrokerUnavailable
from fq.worker.process.broker_session import BrokerSession
from tests.brokers.builders import enqueue_op
from tests.wait_until import wait_until

QUEUES = ("default",)


class Broker(MemoryBroker):
    """Counts what wakes it, and can be down."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = self.waits = 0
        self.down = False

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        if self.down:
            raise BrokerUnavailable("down")
        return super().turn(commits, request)

    def wait(self, request: ClaimRequest, timeout: int) -> None:
        self.waits += 1
        super().wait(request, timeout)

    def wake(self) -> None:
        self.woken += 1
        super().wake()

    def release(self, worker: str, interrupted: object, counted: object = None) -> int:
        raise BrokerUnavailable("down")


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def session(broker: Broker) -> BrokerSession:
    return BrokerSession(broker, "w", 1_000)


def test_a_worker_that_does_not_wait_is_not_woken(broker: Broker, session: BrokerSession) -> None:
    session.wake()

    assert broker.woken == 0


def test_a_wait_ends_when_another_thread_wakes_it(broker: Broker, session: BrokerSession) -> None:
    waiting = threading.Thread(target=session.wait, args=(QUEUES, 60_000, lambda: False))
    waiting.start()
    wait_until(lambda: broker.waits)
    assert session.seconds_since_step == 0.0, "the broker bounds its calls"

    session.wake()
    session.wake()
    waiting.join(60)
    assert not waiting.is_alive()
    assert broker.woken == 1


@pytest.mark.parametrize(("timeout", "has_work"), [(0, False), (1_000, True)])
def test_there_is_no_wait_without_a_time_or_with_something_to_do(
    broker: Broker, session: BrokerSession, timeout: int, has_work: bool
) -> None:
    session.wait(QUEUES, timeout, lambda: has_work)

    assert broker.waits == 0
    assert session.registered


def test_a_turn_that_wants_nothing_ends_the_registration(session: BrokerSession) -> None:
    session.wait(QUEUES, 0, lambda: False)
    turn = session.turn((), QUEUES)

    assert not session.registered
    assert session.idle_for == turn.idle_for


@pytest.mark.parametrize("count", [0, 1])
def test_a_turn_that_finds_nothing_registers_and_one_that_finds_all_it_wants_does_not(
    broker: Broker, session: BrokerSession, count: int
) -> None:
    broker.enqueue([enqueue_op(f"m{number}", QUEUES[0]) for number in range(count)])
    session.turn((), QUEUES, 1)

    assert session.registered == (count == 0)


def test_a_turn_that_fails_is_no_turn_but_the_worker_goes_on(broker: Broker, session: BrokerSession) -> None:
    session.wait(QUEUES, 0, lambda: False)
    before = session.seconds_since_turn
    broker.down = True
    with pytest.raises(BrokerUnavailable):
        session.turn((), QUEUES)

    assert session.registered
    assert session.seconds_since_turn >= before
    assert session.seconds_since_step > 0.0


def test_signing_off_from_a_broker_that_is_away_raises_nothing(session: BrokerSession) -> None:
    session.sign_off()


def test_another_call_of_the_broker_is_a_step_when_it_has_returned(session: BrokerSession, monkeypatch: pytest.MonkeyPatch) -> None:
    time = [100.0]
    monkeypatch.setattr("fq.worker.process.broker_session.monotonic", lambda: time[0])
    session.step()
    with session.calling() as broker:
        time[0] += 60
        during = session.seconds_since_step
        broker.now()

    assert (during, session.seconds_since_step) == (0.0, 0.0), "the broker bounds its calls"
