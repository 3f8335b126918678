"""`Steps` is the awaitable that it is made of, and says when that is at work."""

import asyncio
from collections.abc import Awaitable, Iterator

import pytest

from fq.worker.steps import Steps


async def of(awaitable: Awaitable[object], begun: list[str] | None = None) -> object:
    """Await *awaitable* in steps."""
    return await Steps(awaitable, lambda: None if begun is None else begun.append("step"))


async def three_steps() -> int:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return 3


def test_it_tells_of_each_step() -> None:
    begun: list[str] = []

    assert asyncio.run(of(three_steps(), begun)) == 3
    assert begun == ["step"] * 3


def test_what_is_raised_comes_through() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        asyncio.run(of(fails()))


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
        task = asyncio.ensure_future(of(stubborn()))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(main()) == "went on"
    assert cleaned == ["up"]


def test_a_future_and_an_awaitable_with_an_iterator_of_its_own_will_do() -> None:
    class Twice:
        def __await__(self) -> Iterator[None]:
            return iter([None, None])

    async def main() -> tuple[object, object]:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, 5)
        return await of(future), await of(Twice())  # type: ignore[arg-type]  # allowed by the language, unknown to typeshed

    assert asyncio.run(main()) == (5, None)


def test_one_that_is_closed_closes_what_is_inside() -> None:
    closed: list[str] = []

    async def inner() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            closed.append("inner")

    outer = of(inner())

    async def main() -> None:
        outer.send(None)  # type: ignore[attr-defined]  # a coroutine, and only begun
        outer.close()  # type: ignore[attr-defined]  # as above

    asyncio.run(main())
    assert closed == ["inner"]
