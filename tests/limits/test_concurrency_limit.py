"""`ConcurrencyLimit`: a limit on messages that run at once. ``test_stores.py`` tests the stores that count them."""

import asyncio
import heapq
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import pytest
from attrs import define, field
from returns.result import Failure

from fq import (
    App,
    ConcurrencyLimit,
    Message,
    Outcome,
    RateLimit,
    Retries,
    Retry,
    StackError,
    compose,
    concurrency_limit,
    rate_limit,
    retries,
)
from fq.brokers import MemoryBroker
from fq.brokers.clock import ManualClock
from fq.brokers.limits.policy import Granted
from fq.errors import BrokerUnavailable, OptionError
from fq.limits import Refused, Slot
from fq.limits.concurrency_limit import has_run
from fq.limits.limits import Limits
from fq.testing import message


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(clock: ManualClock) -> App:
    return App(broker=MemoryBroker(clock=clock))


def numbered(n: int) -> Message:
    return message("report", message_id=f"m{n}")


def within(layer: ConcurrencyLimit, colour: str, sent: Sequence[Message]) -> Outcome:
    """Process *sent* one inside the other, and return the outcome of the last."""
    seen: list[Outcome] = []

    def nested(left: Sequence[Message]) -> Outcome:
        outcome = layer.wrap(lambda _: nested(left[1:]))(left[0]) if left else Outcome.success("called")
        seen.append(outcome)
        return Outcome.success()

    async def anested(left: Sequence[Message]) -> Outcome:
        async def inner(_: Message) -> Outcome:
            return await anested(left[1:])

        outcome = await layer.awrap(inner)(left[0]) if left else Outcome.success("called")
        seen.append(outcome)
        return Outcome.success()

    nested(sent) if colour == "sync" else asyncio.run(anested(sent))
    return seen[0]


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_so_many_run_at_once_and_the_next_is_put_back(app: App, colour: str) -> None:
    layer = concurrency_limit(limit=2, backend=app)
    three = [numbered(1), numbered(2), numbered(3)]

    assert within(layer, colour, three).result.failure() == Retry(numbered(3), 10)
    assert within(layer, colour, three[:2]) == Outcome.success("called")


@pytest.mark.parametrize("outcome", [Outcome.success(1), Outcome.failure(ValueError()), Outcome.drop("no")])
def test_a_slot_is_free_again_whatever_came_of_the_message(app: App, outcome: Outcome) -> None:
    handle = concurrency_limit(limit=1, backend=app).wrap(lambda _: outcome)

    assert [handle(numbered(n)) for n in range(3)] == [outcome] * 3


@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("kind", [KeyError, KeyboardInterrupt])
def test_a_slot_is_free_again_when_something_is_raised(app: App, colour: str, kind: type[BaseException]) -> None:
    layer = concurrency_limit(limit=1, backend=app)

    def raises(_: Message) -> Outcome:
        raise kind

    async def araises(_: Message) -> Outcome:
        raise kind

    for _ in range(2):
        with suppress(KeyboardInterrupt):
            layer.wrap(raises)(numbered(1)) if colour == "sync" else asyncio.run(layer.awrap(araises)(numbered(1)))

    assert layer.wrap(lambda _: Outcome.success())(numbered(2)).succeeded


def test_a_slot_is_free_again_when_a_coroutine_is_cancelled(app: App) -> None:
    layer = concurrency_limit(limit=1, backend=app)

    async def main() -> None:
        running = asyncio.Event()

        async def forever(_: Message) -> Outcome:
            running.set()
            await asyncio.Event().wait()
            raise AssertionError

        task = asyncio.ensure_future(layer.awrap(forever)(numbered(1)))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert layer.wrap(lambda _: Outcome.success())(numbered(2)).succeeded


def test_a_refusal_uses_up_no_attempt(app: App) -> None:
    layer = concurrency_limit(limit=1, backend=app)
    stack = compose(retries(max_retries=0), layer)
    outcomes: list[Outcome] = []
    layer.wrap(lambda _: outcomes.append(stack.wrap(lambda _: Outcome.success())(numbered(2))) or Outcome.success())(numbered(1))  # type: ignore[func-returns-value]

    assert outcomes[0].result.failure() == Retry(numbered(2), 10, None)


def test_the_next_delivery_of_a_message_whose_process_died_takes_its_slot_over(app: App) -> None:
    layer = concurrency_limit(limit=1, backend=app)

    assert isinstance(layer.enter(numbered(1)), Slot)  # and never gives it back
    assert isinstance(layer.enter(numbered(2)), Refused)
    assert layer.wrap(lambda _: Outcome.success())(numbered(1)).succeeded
    assert layer.wrap(lambda _: Outcome.success())(numbered(2)).succeeded


def test_a_dead_message_frees_its_slot_after_the_ttl(app: App, clock: ManualClock) -> None:
    layer = concurrency_limit(limit=1, ttl=timedelta(minutes=1), backend=app)
    layer.enter(numbered(1))
    clock.advance(60_000)

    assert layer.wrap(lambda _: Outcome.success())(numbered(2)).succeeded


def test_a_slot_that_cannot_be_given_back_spoils_no_outcome(caplog: pytest.LogCaptureFixture) -> None:
    class HalfGone:
        def take(self, request: object) -> Granted:
            return Granted(0)

        def release(self, slot: Slot, learn: bool) -> bool:
            raise BrokerUnavailable("gone")

    layer = concurrency_limit(limit=1, backend=Limits(HalfGone()))  # type: ignore[arg-type]

    assert layer.wrap(lambda _: Outcome.success(3))(numbered(1)) == Outcome.success(3)
    assert "a slot of slots:report could not be given back, and expires in at most 900000 ms: gone" in caplog.text


def test_what_a_limit_further_inside_puts_back_has_not_run() -> None:
    assert has_run(Outcome.success())
    assert has_run(Outcome.failure(ValueError()))
    assert has_run(Outcome.drop(""))
    assert has_run(Outcome(Failure(Retry(numbered(1), 5, ValueError()))))
    assert not has_run(Outcome(Failure(Retry(numbered(1), 5))))


def test_the_rate_is_not_used_up_by_who_finds_no_slot() -> None:
    with pytest.raises(
        StackError, match="ConcurrencyLimit must be outside RateLimit: a message that finds no slot must not have used up any of the rate"
    ):
        compose(rate_limit(limit=1, window=1_000), concurrency_limit(limit=1))


def test_added_to_an_actor_both_limits_find_their_places() -> None:
    app = App("memory://")

    @app.actor(concurrency_limit(limit=1), rate_limit(limit=1, window=1_000))
    def report() -> None: ...

    kinds = [type(layer) for layer in app.stack_of(report)]

    assert kinds.index(Retries) < kinds.index(ConcurrencyLimit) < kinds.index(RateLimit)


def test_a_layer_is_a_value_that_reads_as_it_is_written(app: App) -> None:
    layer = concurrency_limit(limit=5, ttl=timedelta(minutes=1), key="api", backend=app)

    assert layer == ConcurrencyLimit(limit=5, ttl=60_000, key="api")
    assert eval(repr(compose(layer))) == compose(layer)
    assert ConcurrencyLimit.option_names() == frozenset()


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": "2"}, {"ttl": 0}, {"ttl": -1}, {"key": b"a"}])
def test_bad_input_is_one_clear_error(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="found"):
        concurrency_limit(**{"limit": 1, **wrong})  # type: ignore[arg-type]


# Fairness and throughput, simulated: the clock jumps from event to event.


@define
class Simulation:
    """Messages that come at *arrivals* and hold a slot for *hold* ms; a message that is put back returns at the time that it was given, or a little later."""

    app: App
    clock: ManualClock
    layer: ConcurrencyLimit | RateLimit
    arrivals: Sequence[int]
    hold: Callable[[int], int]
    late: Callable[[], int] = lambda: 0
    started: dict[int, int] = field(factory=dict)
    tries: list[int] = field(init=False)
    most: int = 0
    end: int = 0

    def run(self) -> "Simulation":
        begin, running, count = self.clock.now, 0, 0
        self.tries = [0] * len(self.arrivals)
        events: list[tuple[int, int, int, Slot | None]] = [(at, n, n, None) for n, at in enumerate(self.arrivals)]
        heapq.heapify(events)
        while events:
            at, _, n, slot = heapq.heappop(events)
            count += 1
            self.clock.advance(begin + at - self.clock.now)
            self.end = at
            if slot is not None:
                running -= 1
                self.layer.limits.give_back(slot)
                continue
            self.tries[n] += 1
            answer = self.layer.enter(numbered(n))
            if isinstance(answer, Refused):
                heapq.heappush(events, (at + answer.retry_in + self.late(), len(self.arrivals) + count, n, None))
                continue
            running += 1
            self.started[n] = at
            self.most = max(self.most, running)
            heapq.heappush(events, (at + self.hold(n), len(self.arrivals) + count, n, answer))
        return self


@pytest.mark.parametrize("hold", ["equal", "uneven"])
def test_a_hundred_messages_keep_two_slots_busy_and_none_starves(app: App, clock: ManualClock, hold: str) -> None:
    chance = random.Random(1)
    holds = [50 if hold == "equal" else chance.randrange(40, 61) for _ in range(100)]
    run = Simulation(app, clock, concurrency_limit(limit=2, backend=app), [0] * 100, holds.__getitem__, lambda: chance.randrange(5)).run()

    assert run.most == 2
    assert len(run.started) == 100
    assert run.end < 1.25 * sum(holds) / 2
    assert sum(run.tries) < 8 * 100


def test_who_comes_first_is_served_first_however_many_come_later(app: App, clock: ManualClock) -> None:
    """Five times as many as can run: without a line, the first ones would have to be lucky."""
    run = Simulation(app, clock, concurrency_limit(limit=2, backend=app), range(0, 2_000, 5), lambda _: 50).run()
    order = sorted(run.started, key=run.started.__getitem__)

    assert max(abs(n - backend) for backend, n in enumerate(order)) < 40
    assert run.end < 1.1 * 400 * 25


def test_messages_that_turn_out_quicker_than_was_learnt_do_not_sleep_for_long(app: App, clock: ManualClock) -> None:
    run = Simulation(app, clock, concurrency_limit(limit=2, backend=app), [0] * 100, lambda n: 5_000 if n < 2 else 50).run()

    assert run.end < 2 * (5_000 + 100 * 25)


def test_a_rate_is_kept_up_by_those_who_wait(app: App, clock: ManualClock) -> None:
    chance = random.Random(1)
    run = Simulation(app, clock, rate_limit(limit=10, window=1_000, backend=app), [0] * 300, lambda _: 1, lambda: chance.randrange(5)).run()
    starts = sorted(run.started.values())

    assert len(starts) == 300
    assert all(later - earlier >= 1_000 for earlier, later in zip(starts, starts[10:], strict=False))
    assert run.end < 1.05 * 30_000
    assert sum(run.tries) < 5 * 300
