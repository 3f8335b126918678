"""`ResultWaiters`: a long wait looks again now and then, in case a notification was missed."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import pytest

from fq.brokers.waiters import LAST_LOOK_SECONDS, MAX_SLEEP_SECONDS, ResultWaiters
from fq.errors import BrokerUnavailable

Look = Callable[[int], bytes | None]
"""A look for the one result; its argument is how long that is awaited from now on, ms, 0 for the last look."""

HOUR = 3_600.0


class Wait(Protocol):
    def __call__(self, timeout: int, look: Look, max_sleep: float = 0.001, last_look: float = HOUR) -> bytes | None: ...


def waiters_for(look: Look, max_sleep: float = MAX_SLEEP_SECONDS, last_look: float = LAST_LOOK_SECONDS) -> ResultWaiters:
    """Return waiters for one result, found by *look*; no result is handed to them."""

    def find(asked: Mapping[str, int]) -> list[tuple[str, bytes]]:
        body = look(asked["m"])
        return [] if body is None else [("m", body)]

    return ResultWaiters(find, max_sleep, last_look)


def in_a_thread(timeout: int, look: Look, max_sleep: float = 0.001, last_look: float = HOUR) -> bytes | None:
    return waiters_for(look, max_sleep, last_look).wait("m", timeout)


def in_a_coroutine(timeout: int, look: Look, max_sleep: float = 0.001, last_look: float = HOUR) -> bytes | None:
    return asyncio.run(waiters_for(look, max_sleep, last_look).wait_async("m", timeout))


@pytest.fixture(params=[in_a_thread, in_a_coroutine])
def wait(request: pytest.FixtureRequest) -> Wait:
    return request.param


def test_who_waits_long_looks_again_and_finds_what_nobody_told_of(wait: Wait) -> None:
    looks = iter([None, None, None, b"1"])

    assert wait(10**15, lambda _: next(looks)) == b"1"


def test_who_waits_long_gets_none_in_the_end(wait: Wait) -> None:
    assert wait(20, lambda _: None) is None


def test_who_does_not_wait_long_looks_at_first_and_at_last(wait: Wait) -> None:
    looks: list[int] = []

    assert wait(5, looks.append, HOUR) is None
    assert len(looks) in (1, 2), "a coroutine whose time is over before its first look began has one"


def test_who_was_not_told_of_a_result_finds_it_when_the_time_is_over(wait: Wait) -> None:
    over = time.monotonic() + 0.02

    assert wait(20, lambda _: b"1" if time.monotonic() >= over else None, HOUR) == b"1"


def test_who_does_not_wait_looks_once(wait: Wait) -> None:
    looks: list[int] = []

    assert wait(0, looks.append) is None
    assert looks == [0]


def test_who_does_not_wait_gets_the_answer_of_the_look_however_long_it_takes(wait: Wait) -> None:
    def look(_: int) -> bytes:
        time.sleep(0.05)
        return b"1"

    assert wait(0, look, 0.001, 0.001) == b"1"


def test_who_does_not_wait_is_told_that_the_broker_is_away(wait: Wait) -> None:
    def look(_: int) -> bytes:
        raise BrokerUnavailable("gone")

    with pytest.raises(BrokerUnavailable):
        wait(0, look)


def test_a_broker_that_is_away_when_the_time_is_over_makes_it_no_error(wait: Wait) -> None:
    last: list[int] = []

    def look(ms: int) -> None:
        if ms == 0:
            last.append(ms)
            raise BrokerUnavailable("gone")

    while not last:  # a coroutine's only look may be its first, if the machine is busy
        assert wait(5, look, HOUR) is None


def test_the_last_look_is_not_waited_for_without_end(wait: Wait) -> None:
    opened = threading.Event()

    def look(ms: int) -> None:
        if ms == 0:
            opened.wait(90)

    started = time.monotonic()
    assert wait(5, look, HOUR, last_look=0.05) is None
    assert time.monotonic() - started < 30
    opened.set()


def test_coroutines_keep_their_timeout_while_a_look_takes_its_time() -> None:
    """As when the broker is away: a coroutine does not wait for earlier requests."""
    opened = threading.Event()
    slow = ResultWaiters(lambda asked: opened.wait(90) and [])

    async def wait() -> list[bytes | None]:
        return await asyncio.gather(*(slow.wait_async(f"m{number}", 20) for number in range(200)))

    started, before = time.monotonic(), threading.active_count()
    assert asyncio.run(wait()) == [None] * 200
    assert time.monotonic() - started < 30
    assert threading.active_count() <= before + 1
    opened.set()
    slow.close()


def test_of_results_that_are_looked_for_together_one_that_raises_spoils_none_of_the_others() -> None:
    def find(asked: Mapping[str, int]) -> list[tuple[str, bytes]]:
        if "bad" in asked:
            raise ValueError("bad")
        return [(message_id, b"1") for message_id in asked]

    async def wait() -> list[bytes | BaseException | None]:
        names = ("a", "bad", "b")
        return await asyncio.gather(*(together.wait_async(name, 5_000) for name in names), return_exceptions=True)

    together = ResultWaiters(find)
    found = asyncio.run(wait())
    together.close()

    assert found[0] == found[2] == b"1"
    assert isinstance(found[1], ValueError)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_looks_with_a_thread_of_its_own() -> None:
    parent = waiters_for(lambda _: b"1")
    assert asyncio.run(parent.wait_async("m", 5_000)) == b"1"
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(parent.wait_async("m", 5_000)) == b"1" else 1)
    parent.close()

    assert os.waitpid(child, 0)[1] == 0


def test_an_error_of_a_look_is_raised(wait: Wait) -> None:
    def look(_: int) -> bytes | None:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        wait(1_000, look)
