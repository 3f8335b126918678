"""`Barrier`. The first tests are those of Dramatiq's own suite."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fq import Barrier
from fq.core.outcome import Outcome
from fq.errors import OptionError
from fq.layers import current_message
from fq.limits import BarrierNotFound
from fq.testing import message
from tests.limits.stores import Backend


def test_a_barrier_opens_when_all_have_come(backend: Backend):
    barrier = Barrier(backend.limits, "import", ttl=1_000_000)

    assert barrier.create(2)
    assert not barrier.create(10)
    assert not barrier.wait(block=False)
    assert barrier.wait(block=False)


def test_those_who_wait_are_let_go_together(live: Backend):
    barrier = Barrier(live.limits, "import", ttl=30_000)
    barrier.create(2)

    def wait(_: int) -> tuple[bool, float]:
        return barrier.wait(timeout=10_000), time.monotonic()

    with ThreadPoolExecutor(2) as pool:
        (first, at), (second, later) = pool.map(wait, range(2))

    assert first
    assert second
    assert abs(at - later) < 0.25  # 10 ms on a machine that has nothing else to do


def test_who_waits_for_too_long_is_told_so(live: Backend):
    barrier = Barrier(live.limits, "import", ttl=30_000)
    barrier.create(2)

    assert not barrier.wait(timeout=100)


def test_all_of_many_are_let_go_by_the_last_in_all_processes(live: Backend):
    here, there = (Barrier(limits, "import", ttl=30_000) for limits in (live.limits, live.another()))
    here.create(8)
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda n: (here, there)[n % 2].wait(timeout=20_000), range(8)))

    assert opened == [True] * 8


def test_who_comes_later_goes_through(backend: Backend):
    barrier = Barrier(backend.limits, "import", ttl=1_000_000)
    barrier.create(1)

    assert barrier.wait()
    assert barrier.wait()


def test_a_party_counts_once(backend: Backend):
    barrier = Barrier(backend.limits, "import", ttl=1_000_000)
    barrier.create(2)

    assert not any(barrier.wait(block=False, party="a") for _ in range(3))
    assert barrier.wait(block=False, party="b")


def test_inside_an_actor_the_message_is_the_party(backend: Backend):
    barrier = Barrier(backend.limits, "import", ttl=1_000_000)
    barrier.create(2)
    handle = current_message().wrap(lambda _: Outcome.success(barrier.wait(block=False)))

    assert [handle(message("work", message_id=name)).result.unwrap() for name in ("m1", "m1", "m2", "m1")] == [False, False, True, True]


def test_a_barrier_goes_some_time_after_the_latest_has_come(backend: Backend):
    barrier = Barrier(backend.limits, "import", ttl=1_000_000)
    barrier.create(2)
    backend.advance(999_999)
    barrier.wait(block=False, party="a")
    backend.advance(999_999)

    assert not barrier.create(2)
    backend.advance(1)
    with pytest.raises(BarrierNotFound, match="found no barrier 'import', expected one"):
        barrier.wait(block=False)
    assert barrier.create(1)
    assert barrier.wait(block=False)


def test_a_barrier_that_goes_lets_nobody_wait_for_ever(live: Backend):
    barrier = Barrier(live.limits, "import", ttl=200)
    barrier.create(2)

    assert not barrier.wait()


def test_a_barrier_that_was_not_created_is_not_found(backend: Backend):
    with pytest.raises(BarrierNotFound):
        Barrier(backend.limits, "import").wait()


def test_coroutines_wait_without_holding_up_the_loop(live: Backend):
    async def main():
        barrier = Barrier(live.limits, "import", ttl=30_000)
        barrier.create(20)
        return await asyncio.gather(*(barrier.await_(timeout=20_000) for _ in range(20)))

    assert asyncio.run(main()) == [True] * 20


def test_a_coroutine_that_need_not_wait_is_told_at_once(live: Backend):
    barrier = Barrier(live.limits, "import")
    barrier.create(2)

    assert [asyncio.run(barrier.await_(block=False)) for _ in range(2)] == [False, True]


@pytest.mark.parametrize("parties", [0, -1, True, 1.5, "2", None])
def test_a_barrier_of_nobody_is_refused(parties):
    with pytest.raises(OptionError, match=f"parties: found {parties!r}, expected a whole number from 1"):
        Barrier("memory://", "nobody").create(parties)
