"""One outcome that the broker refuses does not hold up the others: it alone fails, and what waits for it hears of the failure."""

import logging
from collections.abc import Iterator, Sequence
from itertools import count
from threading import Event

import pytest
from returns.result import Success

from fq import App, Fault
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import Bury, ClaimRequest, Commit, Reschedule, StoreResultOp, Turn
from fq.errors import BrokerError, BrokerUnavailable
from fq.worker.process.isolated_commits import LARGE_COMMIT_BYTES
from tests.wait_until import wait_until


class Choosy(MemoryBroker):
    """Refuses whole turns, like a server that finds an argument too large: those with a *bad* commit."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0
        self.down = False
        self.error: Exception = BrokerError("an argument is too large")

    def bad(self, commit: Commit) -> bool:
        return any(isinstance(operation, StoreResultOp) and b"xxxx" in operation.body for operation in commit.operations)

    def turn(self, commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        if self.down:
            raise BrokerUnavailable("the broker is down")
        if any(map(self.bad, commits)):
            self.refusals += 1
            raise self.error
        return super().turn(commits, request)


@pytest.fixture
def broker() -> Iterator[Choosy]:
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    yield Choosy()
    logging.getLogger("fq").setLevel(logging.NOTSET)


def test_of_many_outcomes_only_the_one_that_is_refused_fails_and_its_result_says_so(broker: Choosy) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    handles = app.send_many(say.call("xxxx" if n == 50 else f"{n}") for n in range(100))
    with app.worker(threads=2):
        results = [handle.get() for handle in handles]

    assert results[:50] + results[51:] == [Success(f"{n}") for n in range(100) if n != 50]
    assert isinstance(failure := results[50].failure(), Fault)
    assert (failure.type, failure.message) == ("BrokerError", "an argument is too large")
    assert [letter.fault.type for letter in broker.dead_letters()] == ["BrokerError"]


def test_a_group_hears_of_a_member_whose_outcome_was_refused(broker: Choosy) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    @app.actor
    def count(texts: list[object]) -> int:
        return len(texts)

    handle = app.group([say.call("a"), say.call("xxxx"), say.call("b")]).then(count).send()
    with app.worker(threads=1):
        assert isinstance(handle.get().failure(), Fault)
        wait_until(lambda: not any(queue.in_flight for queue in broker.queues()))


def test_where_even_the_failure_is_refused_as_much_as_can_be_said_is(broker: Choosy, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    monkeypatch.setattr(broker, "bad", lambda commit: bool(commit.operations))
    handles = [say.send("a"), say.send("b")]
    with app.worker(threads=1):
        wait_until(lambda: len(broker.dead_letters()) == 2)

    assert {letter.message_id for letter in broker.dead_letters()} == {handle.message_id for handle in handles}


def test_where_everything_is_refused_nothing_fails_for_it_and_all_waits(broker: Choosy, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    monkeypatch.setattr(broker, "bad", lambda commit: True)
    handles = [say.send("a"), say.send("b")]
    worker = app.worker(threads=1)
    worker.start()
    wait_until(lambda: broker.refusals > 10)
    monkeypatch.setattr(broker, "bad", lambda commit: isinstance(commit.disposition, Bury))  # whichever of the two is tried just now
    results = [handle.get() for handle in handles]
    worker.stop()

    assert results == [Success("a"), Success("b")]
    assert broker.dead_letters() == ()


def test_what_is_refused_for_a_moment_only_does_not_fail(broker: Choosy, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    tried: list[Commit] = []
    monkeypatch.setattr(broker, "bad", lambda commit: tried.append(commit) or len(tried) <= 4)  # together, alone, and once more so
    with app.worker(threads=1):
        assert say.send("a").get() == Success("a")
    assert broker.dead_letters() == ()


def test_a_broker_that_goes_away_meanwhile_is_waited_for(broker: Choosy, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    def bad(commit: Commit) -> bool:
        if isinstance(commit.disposition, Bury):
            broker.down = True
        return Choosy.bad(broker, commit)

    monkeypatch.setattr(broker, "bad", bad)
    handles = app.send_many([say.call("a"), say.call("xxxx"), say.call("b")])
    with app.worker(threads=1):
        wait_until(lambda: broker.down)
        monkeypatch.setattr(broker, "bad", lambda commit: Choosy.bad(broker, commit))
        broker.down = False
        assert [handle.get().value_or(None) for handle in handles] == ["a", None, "b"]


def test_an_outcome_that_cannot_be_sent_fails_alone_and_those_behind_it_are_committed(broker: Choosy) -> None:
    broker.error = BrokerUnavailable("connection reset by peer")
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    large, *small = [say.send(text) for text in (LARGE_COMMIT_BYTES * "x", "a", "b")]
    with app.worker(threads=1):
        assert [handle.get() for handle in small] == [Success("a"), Success("b")]
        fault = large.get().failure()

    assert isinstance(fault, Fault)
    assert "could not be sent" in fault.message and "connection reset by peer" in fault.message
    assert [letter.message_id for letter in broker.dead_letters()] == [large.message_id]


def test_an_error_that_is_none_of_the_brokers_own_blames_the_outcome_that_raises_it(broker: Choosy) -> None:
    broker.error = OverflowError("int too large to convert")
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    handles = [say.send("xxxx"), say.send("a")]
    with app.worker(threads=1):
        results = [handle.get() for handle in handles]

    assert (results[0].failure().type, results[1]) == ("OverflowError", Success("a"))


def test_a_message_of_an_unknown_actor_that_cannot_be_put_off_is_a_dead_letter_and_holds_up_no_other(
    broker: Choosy, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.error = BrokerUnavailable("connection reset by peer")
    monkeypatch.setattr(broker, "bad", lambda commit: isinstance(commit.disposition, Reschedule))
    app, sender = App(broker=broker), App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    @sender.actor
    def unheard_of(text: str) -> None: ...

    unheard_of.send(LARGE_COMMIT_BYTES * "x")
    handle = say.send("a")
    with app.worker(threads=1):
        assert handle.get() == Success("a")
        wait_until(broker.dead_letters)

    assert "could not be sent" in broker.dead_letters()[0].fault.message


@pytest.mark.parametrize("away_for", [1, 2, 7])
def test_outcomes_that_meet_a_broker_that_comes_and_goes_are_blamed_for_nothing(
    broker: Choosy, monkeypatch: pytest.MonkeyPatch, away_for: int
) -> None:
    app = App(broker=broker)
    calls = count()

    @app.actor
    def say(text: str) -> str:
        return text

    def turn(commits: Sequence[Commit], request: ClaimRequest) -> Turn:
        if next(calls) % (away_for + 1):
            raise BrokerUnavailable("the broker is down")
        return MemoryBroker.turn(broker, commits, request)

    handles = [say.send(f"{number}") for number in range(5)]
    monkeypatch.setattr(broker, "turn", turn)
    worker = app.worker(threads=2)
    worker.dispatcher.reconnect_seconds = (0.01, 0.01)
    with worker:
        results = [handle.get() for handle in handles]
        monkeypatch.undo()

    assert results == [Success(f"{number}") for number in range(5)]
    assert broker.dead_letters() == ()


def test_an_outcome_that_comes_when_its_worker_has_stopped_leaves_a_line_in_the_log(
    broker: Choosy, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(broker=broker)
    begun, end, returned = Event(), Event(), Event()

    @app.actor
    def wait() -> None:
        begun.set()
        end.wait(60)
        returned.set()

    handle = wait.send()
    worker = app.worker(threads=1)
    worker.start()
    begun.wait(60)
    worker.stop(0)
    assert broker.status(handle.message_id).state == "ready"
    logging.getLogger("fq").setLevel(logging.NOTSET)
    end.set()
    returned.wait(60)

    wait_until(
        lambda: any("its outcome is lost" in record.getMessage() and handle.message_id in record.getMessage() for record in caplog.records)
    )
