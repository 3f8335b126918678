"""`ConcurrentRateLimiter`, `BucketRateLimiter` and `WindowRateLimiter`, as they are used. First the tests of Dramatiq's own suite."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from fq import (
    App,
    BucketRateLimiter,
    ConcurrentRateLimiter,
    Outcome,
    RateLimitExceeded,
    Snooze,
    WindowRateLimiter,
    compose,
    concurrency_limit,
    current_message,
)
from fq.errors import ConfigError, OptionError
from fq.limits import NoSlot, Slot
from fq.testing import message
from tests.limits.stores import NOW, Backend

LIMITERS = [ConcurrentRateLimiter, BucketRateLimiter, WindowRateLimiter]


def acquire(limiter) -> bool:
    """Take a slot and give it back, if it can be given back."""
    with limiter.acquire(raise_on_failure=False) as acquired:
        return acquired


def acquired_at_once(limiter, threads: int) -> int:
    """Let *threads* try at the same moment, and hold what they get until all have tried; return how many got a slot."""
    begin, tried = threading.Barrier(threads), threading.Barrier(threads)

    def one(_: int) -> bool:
        begin.wait(30)
        with limiter.acquire(raise_on_failure=False) as acquired:
            tried.wait(30)
            return acquired

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(one, range(threads)))


def test_one_slot_is_acquired_and_released_again_and_again(live: Backend):
    mutex = ConcurrentRateLimiter(live.limits, "mutex", limit=1)

    assert [acquire(mutex) for _ in range(8)] == [True] * 8


def test_of_eight_threads_one_gets_the_only_slot(live: Backend):
    assert acquired_at_once(ConcurrentRateLimiter(live.limits, "mutex", limit=1), 8) == 1


def test_of_thirty_two_threads_four_get_one_of_four_slots(live: Backend):
    assert acquired_at_once(ConcurrentRateLimiter(live.limits, "four", limit=4), 32) == 4


def test_two_in_each_of_two_seconds_are_four(backend: Backend):
    limiter = BucketRateLimiter(backend.limits, "bucket", limit=2, bucket=1_000_000)
    backend.advance(-NOW % 1_000_000)
    first = [acquire(limiter) for _ in range(8)]
    backend.advance(1_000_000)
    second = [acquire(limiter) for _ in range(8)]

    assert sum(first) == sum(second) == 2


def test_two_in_five_seconds_are_eight_in_twenty(backend: Backend):
    limiter = WindowRateLimiter(backend.limits, "window", limit=2, window=timedelta(seconds=5_000))
    acquired = 0
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            acquired += sum(pool.map(lambda _: acquire(limiter), range(8)))
            backend.advance(1_000_000)

    assert acquired == 8


@pytest.mark.parametrize("kind", LIMITERS)
def test_who_gets_no_slot_is_told_when_there_can_be_one(backend: Backend, kind):
    limiter = kind(backend.limits, "mail")
    with (
        limiter.acquire(),
        pytest.raises(RateLimitExceeded, match=r"no slot of mail is free; one can be in \d+ ms") as caught,
        limiter.acquire(),
    ):
        pytest.fail("there is but one slot")

    assert isinstance(caught.value, NoSlot)
    assert isinstance(caught.value, Snooze)
    assert 0 < caught.value.retry_in <= caught.value.delay <= 2 * caught.value.retry_in


@pytest.mark.parametrize("kind", LIMITERS)
def test_the_body_runs_even_if_it_was_refused_and_asked_not_to_raise(backend: Backend, kind):
    limiter = kind(backend.limits, "mail")
    with limiter.acquire() as first, limiter.acquire(raise_on_failure=False) as second:
        pass

    assert (first, second) == (True, False)


def test_a_refusal_releases_nothing(backend: Backend):
    mutex = ConcurrentRateLimiter(backend.limits, "mutex")
    with mutex.acquire():
        assert not acquire(mutex)
        assert not acquire(mutex)


def test_a_slot_is_given_back_when_the_body_raises(backend: Backend):
    mutex = ConcurrentRateLimiter(backend.limits, "mutex")
    with pytest.raises(KeyError), mutex.acquire():
        raise KeyError

    assert acquire(mutex)


def test_limiters_of_equal_class_and_key_share_their_slots_in_all_processes(backend: Backend):
    here, there = (ConcurrentRateLimiter(limits, "mutex") for limits in (backend.limits, backend.another()))
    with here.acquire():
        assert not acquire(there)

    assert acquire(there)


def test_a_limiter_is_a_value():
    app = App("memory://")
    first, second = (WindowRateLimiter(app, "mail", limit=5, window=timedelta(minutes=1)) for _ in range(2))

    assert first == second
    assert hash(first) == hash(second)
    assert repr(first) == "WindowRateLimiter(key='mail', limit=5, window=60000)"


# Coroutines.


def test_coroutines_acquire_and_release(live: Backend):
    async def main():
        mutex = ConcurrentRateLimiter(live.limits, "mutex")
        async with mutex.aacquire() as first, mutex.aacquire(raise_on_failure=False) as second:
            with pytest.raises(RateLimitExceeded):
                async with mutex.aacquire():
                    pytest.fail("there is but one slot")
        async with mutex.aacquire() as third:
            return first, second, third

    assert asyncio.run(main()) == (True, False, True)


def test_a_hundred_coroutines_share_three_slots(live: Backend):
    async def main():
        limiter = ConcurrentRateLimiter(live.limits, "three", limit=3)
        tried = asyncio.Barrier(100)

        async def one():
            async with limiter.aacquire(raise_on_failure=False) as acquired:
                await tried.wait()
                return acquired

        return sum(await asyncio.gather(*(one() for _ in range(100))))

    assert asyncio.run(main()) == 3


@pytest.mark.parametrize("late", [False, True])
def test_who_is_cancelled_on_the_way_to_a_slot_leaves_it_free(live: Backend, monkeypatch: pytest.MonkeyPatch, late: bool):
    """Cancelled while the thread asks, or when it has asked and the coroutine has not heard yet."""
    asking, go_on, done = threading.Event(), threading.Event(), threading.Event()
    store = live.limits.store
    take, release = store.take, store.release

    def slow(request):
        answer = take(request)
        asking.set()
        go_on.wait(30)
        return answer

    def noted(slot, learn):
        found = release(slot, learn)
        done.set()
        return found

    monkeypatch.setattr(store, "take", slow)
    monkeypatch.setattr(store, "release", noted)

    async def main():
        async def one():
            async with ConcurrentRateLimiter(live.limits, "mutex").aacquire():
                pytest.fail("cancelled before")

        task = asyncio.create_task(one())
        await asyncio.to_thread(asking.wait, 30)
        if late:
            go_on.set()
            for thread in threading.enumerate():  # the thread is through, the loop has not looked
                if thread is not threading.current_thread() and "asyncio" in thread.name:
                    thread.join(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(main())

    assert done.wait(30)
    monkeypatch.undo()
    assert acquire(ConcurrentRateLimiter(live.limits, "mutex"))


# Inside actors.


def test_an_actor_that_finds_no_slot_runs_again_when_there_is_one_and_uses_up_no_attempt():
    app = App("memory://")
    limiter = WindowRateLimiter(app, "mail", limit=2, window=60_000)
    seen = []

    @app.actor(max_retries=0)
    def send_mail(to: str) -> None:
        with limiter.acquire():
            seen.append((to, app.broker.now()))

    app.send_many(send_mail.call(f"{n}@example.com") for n in range(6))
    app.run_until_idle()

    assert sorted(to for to, _ in seen) == [f"{n}@example.com" for n in range(6)]
    assert all(later[1] - earlier[1] >= 60_000 for earlier, later in zip(seen, seen[2:], strict=False))
    assert app.broker.dead_letters() == ()


def test_a_redelivered_message_takes_over_the_slot_of_its_dead_delivery(backend: Backend):
    """The process died inside ``with mutex.acquire()``: what it held is the message's, so the next delivery need not wait for the ttl."""

    def dies(limits):
        return current_message().wrap(lambda m: Outcome.success(limits.take("mutex", ConcurrentRateLimiter(limits, "mutex").terms)))

    first, again, another = backend.another(), backend.another(), backend.another()

    assert isinstance(dies(first)(message("work", message_id="m1")).result.unwrap(), Slot)
    assert not isinstance(dies(another)(message("work", message_id="m2")).result.unwrap(), Slot)
    assert isinstance(dies(again)(message("work", message_id="m1")).result.unwrap(), Slot)
    assert not isinstance(dies(another)(message("work", message_id="m2")).result.unwrap(), Slot)


def test_one_message_may_hold_several_slots(backend: Backend):
    two = ConcurrentRateLimiter(backend.limits, "two", limit=2)

    def work(_):
        with two.acquire() as first, two.acquire() as second, two.acquire(raise_on_failure=False) as third:
            return Outcome.success((first, second, third))

    handle = current_message().wrap(work)

    assert handle(message("work")).result.unwrap() == (True, True, False)
    assert handle(message("work")).result.unwrap() == (True, True, False)


def test_the_slot_of_a_layer_and_one_taken_inside_the_actor_are_two(backend: Backend):
    layer = concurrency_limit(limit=2, key="two", backend=backend.limits)
    two = ConcurrentRateLimiter(backend.limits, "two", limit=2)

    def work(_):
        with two.acquire() as first, two.acquire(raise_on_failure=False) as second:
            return Outcome.success((first, second))

    handle = compose(layer, current_message()).wrap(work)

    assert [handle(message("work")).result.unwrap() for _ in range(2)] == [(True, False)] * 2


# Bad input.


@pytest.mark.parametrize("kind", LIMITERS)
@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "5", None])
def test_a_limit_that_is_none_is_refused(kind, limit):
    with pytest.raises(OptionError, match=f"limit: found {limit!r}, expected a whole number from 1"):
        kind("memory://", "mail", limit=limit)


@pytest.mark.parametrize("key", ["", None, 3, b"mail", "a\x00b", "\ud800"])
@pytest.mark.parametrize("kind", LIMITERS)
def test_a_key_that_is_none_is_refused(kind, key):
    with pytest.raises(OptionError, match=r"key: found .*, expected a printable text that is not empty"):
        kind("memory://", key)


@pytest.mark.parametrize("option", ["ttl", "bucket", "window"])
@pytest.mark.parametrize("time", [0, -1, timedelta(-1), 1.5, "1", None])
def test_a_time_that_is_none_is_refused(option, time):
    kind = {"ttl": ConcurrentRateLimiter, "bucket": BucketRateLimiter, "window": WindowRateLimiter}[option]

    with pytest.raises(OptionError, match="expected a duration"):
        kind("memory://", "mail", **{option: time})


def test_a_window_that_looks_like_seconds_is_refused():
    with pytest.raises(
        OptionError, match=r"window: found 60, expected ms, at least 100, or a timedelta; for 60 s write timedelta\(seconds=60\)"
    ):
        WindowRateLimiter("memory://", "mail", window=60)


@pytest.mark.parametrize("backend", [None, 3, object(), [], "nowhere://", ""])
def test_a_backend_that_is_none_is_refused(backend):
    with pytest.raises(ConfigError, match="found"):
        ConcurrentRateLimiter(backend, "mail")
