"""`Awaited`: who waits long for a result looks again once in a while, whatever the news that was missed."""

import asyncio
from collections.abc import Callable

import pytest

from fq.brokers import waiting
from fq.brokers.waiting import Awaited

Wait = Callable[[int, Callable[[], bytes | None]], bytes | None]


def in_a_thread(timeout: int, look: Callable[[], bytes | None]) -> bytes | None:
    return Awaited().wait("m", timeout, look)


def in_a_coroutine(timeout: int, look: Callable[[], bytes | None]) -> bytes | None:
    return asyncio.run(Awaited().await_("m", timeout, look))


@pytest.fixture(params=[in_a_thread, in_a_coroutine])
def wait(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Wait:
    monkeypatch.setattr(waiting, "LONG", 0.001)
    return request.param


def test_who_waits_long_looks_again_and_finds_what_nobody_told_of(wait: Wait) -> None:
    looks = iter([None, None, None, b"1"])

    assert wait(10**15, lambda: next(looks)) == b"1"


def test_who_waits_long_gets_none_in_the_end(wait: Wait) -> None:
    looks: list[int] = []

    assert wait(20, lambda: looks.append(1)) is None
    assert len(looks) > 1


def test_who_does_not_wait_long_looks_once(wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LONG", 3_600.0)
    looks: list[int] = []

    assert wait(5, lambda: looks.append(1)) is None
    assert len(looks) == 1


def test_an_error_of_a_look_is_raised(wait: Wait) -> None:
    def look() -> bytes | None:
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        wait(1_000, look)
