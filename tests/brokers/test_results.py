"""Every broker: results are kept for their ttl, and waiters get them, in threads and coroutines."""

import asyncio
import threading
import time
from collections.abc import Mapping

import pytest

from fq.brokers.protocol import Broker
from fq.brokers.records import ACK, StoreResultOp
from fq.brokers.waiters import ResultWaiters
from tests.brokers.builders import PATIENCE_SECONDS, claim, claim_request, enqueue_ops, in_thread, outcome, run, state
from tests.brokers.harness import Harness

LONG = int(PATIENCE_SECONDS * 1_000)


def test_a_result_that_was_never_kept_is_none(broker: Broker) -> None:
    assert broker.result("m") is None


@pytest.mark.parametrize("body", [b"", b"null", bytes(range(256)), b"x" * 300_000])
def test_a_result_comes_back_byte_for_byte(broker: Broker, other: Broker, body: bytes) -> None:
    run(broker, StoreResultOp("m", body, 60_000))

    assert other.result("m") == body


def test_a_later_result_takes_the_place_of_an_earlier_one(broker: Broker) -> None:
    run(broker, StoreResultOp("m", b"1", 60_000))
    run(broker, StoreResultOp("m", b"2", 60_000))

    assert broker.result("m") == b"2"


def test_of_two_results_in_a_turn_the_later_commit_counts(broker: Broker) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    a, b = claim(broker)
    broker.turn(
        [outcome(a, ACK, StoreResultOp("m", b"1", 60_000)), outcome(b, ACK, StoreResultOp("m", b"2", 60_000))], claim_request(limit=0)
    )

    assert broker.result("m") == b"2"


def test_a_result_is_kept_for_its_time(harness: Harness, broker: Broker, other: Broker) -> None:
    run(broker, StoreResultOp("short", b"1", 20_000), StoreResultOp("long", b"2", 40_000))
    harness.advance(15_000)
    early = [other.result("short"), other.result("long"), state(other, "short")]
    harness.advance(5_000)

    assert early == [b"1", b"2", "done"]
    assert [other.result("short"), other.result("long")] == [None, b"2"]


def test_a_new_result_has_a_new_time(harness: Harness, broker: Broker) -> None:
    run(broker, StoreResultOp("m", b"1", 20_000))
    harness.advance(10_000)
    run(broker, StoreResultOp("m", b"2", 30_000))
    harness.advance(20_000)
    before = broker.result("m")
    harness.advance(10_000)

    assert before == b"2"
    assert broker.result("m") is None


def test_expired_results_go_away_in_passing(harness: Harness, broker: Broker) -> None:
    run(broker, *(StoreResultOp(f"m{number}", b"1", 10_000) for number in range(2_500)))
    run(broker, StoreResultOp("kept", b"1", 100_000))
    harness.advance(20_000)
    for _ in range(10):
        run(broker)
        harness.advance(2_000)

    assert {state(broker, f"m{number}") for number in range(0, 2_500, 100)} == {"unknown"}
    assert broker.result("kept") == b"1"


# Waiting for one.


def test_who_waits_for_a_result_that_is_there_gets_it_at_once(broker: Broker) -> None:
    run(broker, StoreResultOp("m", b"1", 60_000))

    assert broker.wait_result("m", 0) == broker.wait_result("m", LONG) == b"1"


def test_who_does_not_wait_gets_the_result_however_slow_the_look_is(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    run(broker, StoreResultOp("m", b"1", 60_000))
    look = ResultWaiters.look

    def look_slowly(waiters: ResultWaiters, asked: Mapping[str, int]) -> None:
        time.sleep(0.05)
        look(waiters, asked)

    async def wait() -> list[bytes | None]:
        return await asyncio.gather(*(broker.await_result(name, 0) for name in ("m", "n") * 50))

    monkeypatch.setattr(ResultWaiters, "look", look_slowly)

    assert [broker.wait_result("m", 0), broker.wait_result("n", 0)] == [b"1", None]
    assert asyncio.run(wait()) == [b"1", None] * 50


def test_who_waits_for_a_result_that_does_not_come_gets_none(broker: Broker) -> None:
    assert broker.wait_result("m", 0) is None
    assert broker.wait_result("m", 20) is None
    assert asyncio.run(broker.await_result("m", 0)) is None
    assert asyncio.run(broker.await_result("m", 20)) is None


def test_a_thread_that_waits_for_a_result_wakes_when_it_comes(broker: Broker, other: Broker) -> None:
    waiting = in_thread(lambda: broker.wait_result("m", LONG))
    run(other, StoreResultOp("other", b"0", 60_000), message_id="r1")
    run(other, StoreResultOp("m", b"1", 60_000), message_id="r2")

    assert waiting.result(PATIENCE_SECONDS / 2) == b"1"


@pytest.mark.parametrize("ms", [10**10, 10**15, 10**400])
def test_who_waits_for_ever_wakes_when_the_result_comes(broker: Broker, other: Broker, ms: int) -> None:
    async def wait() -> bytes | None:
        return await broker.await_result("m", ms)

    waiting = [in_thread(lambda: broker.wait_result("m", ms)), in_thread(lambda: asyncio.run(wait()))]
    run(other, StoreResultOp("m", b"1", 60_000))

    assert [future.result(PATIENCE_SECONDS) for future in waiting] == [b"1", b"1"]


def test_a_thread_wakes_when_its_own_handle_keeps_the_result(broker: Broker) -> None:
    waiting = in_thread(lambda: broker.wait_result("m", LONG))
    run(broker, StoreResultOp("m", b"1", 60_000))

    assert waiting.result(PATIENCE_SECONDS / 2) == b"1"


def test_a_coroutine_that_waits_for_a_result_wakes_when_it_comes(broker: Broker, other: Broker) -> None:
    async def wait() -> bytes | None:
        waiting = asyncio.create_task(broker.await_result("m", LONG))
        await asyncio.to_thread(run, other, StoreResultOp("m", b"1", 60_000))
        return await asyncio.wait_for(waiting, PATIENCE_SECONDS / 2)

    assert asyncio.run(wait()) == b"1"


def test_all_who_wait_for_one_result_get_it(broker: Broker, other: Broker) -> None:
    waiting = [in_thread(lambda handle=handle: handle.wait_result("m", LONG)) for handle in (broker, other, broker, other)]
    run(other, StoreResultOp("m", b"1", 60_000))

    assert [future.result(PATIENCE_SECONDS / 2) for future in waiting] == [b"1"] * 4


def test_hundreds_of_coroutines_wait_at_once_and_leave_room_for_others(broker: Broker, other: Broker) -> None:
    names = [f"m{number}" for number in range(300)]

    async def wait() -> list[bytes | None]:
        waiting = [asyncio.create_task(broker.await_result(name, LONG)) for name in names]
        await asyncio.sleep(0)
        await broker.aenqueue(enqueue_ops(*names))
        commits = [
            outcome(delivery, ACK, StoreResultOp(delivery.message_id, delivery.message_id.encode(), 60_000))
            for delivery in claim(other, limit=1_000)
        ]
        await asyncio.to_thread(other.turn, commits, claim_request(limit=0))
        return await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE_SECONDS)

    assert asyncio.run(wait()) == [name.encode() for name in names]


def test_thousands_of_coroutines_keep_their_timeout_and_use_no_thread_each(broker: Broker) -> None:
    threads: list[int] = []

    async def wait() -> list[bytes | None]:
        waiting = asyncio.gather(*(broker.await_result(f"m{number}", 300) for number in range(5_000)))
        await asyncio.sleep(0.1)
        threads.append(threading.active_count() - before)
        return await asyncio.wait_for(waiting, PATIENCE_SECONDS)

    before = threading.active_count()

    assert asyncio.run(wait()) == [None] * 5_000
    assert threads[0] <= 3, "one looks, one hears"


def test_a_coroutine_that_waits_does_not_block_its_event_loop(harness: Harness, broker: Broker, other: Broker) -> None:
    """Whatever is read or connected for it happens elsewhere. A busy machine may stop anybody for a while, but not each time."""

    async def wait() -> float:
        waiting = asyncio.create_task(broker.await_result("m", LONG))
        await asyncio.sleep(0)
        started = time.perf_counter()
        await asyncio.sleep(0)
        stood = time.perf_counter() - started
        await asyncio.to_thread(run, other, StoreResultOp("m", b"1", 60_000))
        await waiting
        return stood

    assert any(asyncio.run(wait()) < 0.5 for _ in range(5))


def test_a_coroutine_that_is_cancelled_while_it_waits_lets_go(broker: Broker) -> None:
    async def cancel() -> None:
        waiting = asyncio.create_task(broker.await_result("m", LONG))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel())
    run(broker, StoreResultOp("m", b"1", 60_000))

    assert broker.wait_result("m", 0) == b"1"


def test_no_wake_up_is_lost_however_the_moments_fall(broker: Broker, other: Broker) -> None:
    for number in range(100):
        waiting = in_thread(lambda name=f"m{number}": broker.wait_result(name, LONG))
        run(other, StoreResultOp(f"m{number}", b"1", 60_000), message_id=f"r{number}")

        assert waiting.result(PATIENCE_SECONDS / 2) == b"1"
