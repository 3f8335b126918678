"""One outcome that the broker refuses keeps no other waiting: it alone fails, and those who wait for it are told."""

import logging
from collections.abc import Iterator, Sequence

import pytest
from returns.result import Success

from fq import App, Fault
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import Bury, Commit, Keep, Turn, Want
from fq.errors import BrokerError, BrokerUnavailable
from tests.until import until


class Choosy(MemoryBroker):
    """Refuses whole turns, like a server that finds an argument too large: those with a *bad* commit."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = 0
        self.down = False

    def bad(self, commit: Commit) -> bool:
        return any(isinstance(change, Keep) and b"xxxx" in change.body for change in commit.changes)

    def turn(self, commits: Sequence[Commit], want: Want) -> Turn:
        if self.down:
            raise BrokerUnavailable("the broker is down")
        if any(map(self.bad, commits)):
            self.refusals += 1
            raise BrokerError("an argument is too large")
        return super().turn(commits, want)


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
    assert [letter.fault.type for letter in broker.dead()] == ["BrokerError"]


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
        until(lambda: not any(queue.in_flight for queue in broker.queues()))


def test_where_even_the_failure_is_refused_as_much_as_can_be_said_is(broker: Choosy, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    monkeypatch.setattr(broker, "bad", lambda commit: bool(commit.changes))
    handles = [say.send("a"), say.send("b")]
    with app.worker(threads=1):
        until(lambda: len(broker.dead()) == 2)

    assert {letter.message_id for letter in broker.dead()} == {handle.message_id for handle in handles}


def test_where_everything_is_refused_nothing_fails_for_it_and_all_waits(broker: Choosy, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    monkeypatch.setattr(broker, "bad", lambda commit: True)
    handles = [say.send("a"), say.send("b")]
    worker = app.worker(threads=1)
    worker.start()
    until(lambda: broker.refusals > 10)
    monkeypatch.setattr(broker, "bad", lambda commit: isinstance(commit.disposition, Bury))  # whichever of the two is tried just now
    results = [handle.get() for handle in handles]
    worker.stop()

    assert results == [Success("a"), Success("b")]
    assert broker.dead() == ()


def test_what_is_refused_for_a_moment_only_does_not_fail(broker: Choosy, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(broker=broker)

    @app.actor
    def say(text: str) -> str:
        return text

    tried: list[Commit] = []
    monkeypatch.setattr(broker, "bad", lambda commit: tried.append(commit) or len(tried) <= 4)  # together, alone, and once more so
    with app.worker(threads=1):
        assert say.send("a").get() == Success("a")
    assert broker.dead() == ()


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
        until(lambda: broker.down)
        monkeypatch.setattr(broker, "bad", lambda commit: Choosy.bad(broker, commit))
        broker.down = False
        assert [handle.get().value_or(None) for handle in handles] == ["a", None, "b"]
