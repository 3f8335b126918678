"""`ObservedCoroutine` is, to a task, the coroutine that it is made of, and says when that is at work."""

import asyncio
import inspect
import warnings
from collections.abc import Coroutine
from typing import Any

import pytest

from fq.worker.executors.step_observer import ObservedCoroutine


def run(coroutine: Coroutine[Any, Any, object], begun: list[str] | None = None) -> object:
    """Run *coroutine* as a task."""

    async def main() -> object:
        observed = ObservedCoroutine(coroutine, lambda: None if begun is None else begun.append("step"))
        return await asyncio.get_running_loop().create_task(observed)

    return asyncio.run(main())


async def three_steps() -> int:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return 3


def test_it_tells_of_each_step() -> None:
    begun: list[str] = []

    assert run(three_steps(), begun) == 3
    assert begun == ["step"] * 3


def test_what_is_raised_comes_through() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        run(fails())


def test_cancelling_reaches_what_is_inside_which_may_clean_up_and_even_go_on() -> None:
    cleaned: list[str] = []

    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            cleaned.append("up")
        return "went on"

    async def main() -> object:
        task = asyncio.get_running_loop().create_task(ObservedCoroutine(stubborn(), lambda: None))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(main()) == "went on"
    assert cleaned == ["up"]


def test_one_that_is_cancelled_before_its_first_step_leaves_nothing_that_was_never_awaited() -> None:
    async def main() -> bool:
        task = asyncio.get_running_loop().create_task(ObservedCoroutine(three_steps(), lambda: None))
        task.cancel()
        await asyncio.wait((task,))
        return task.cancelled()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(main())


def test_who_looks_at_the_task_sees_the_coroutine_that_it_stands_for() -> None:
    async def main() -> tuple[str, str]:
        task = asyncio.get_running_loop().create_task(ObservedCoroutine(three_steps(), lambda: None))
        found: Any = task.get_coro()
        await task
        return found.__qualname__, inspect.getcoroutinestate(found)

    assert asyncio.run(main()) == ("three_steps", "CORO_CLOSED")


def test_one_that_is_closed_closes_what_is_inside() -> None:
    closed: list[str] = []

    async def inner() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            closed.append("inner")

    async def main() -> None:
        outer = ObservedCoroutine(inner(), lambda: None)
        outer.send(None)
        outer.close()

    asyncio.run(main())
    assert closed == ["inner"]
