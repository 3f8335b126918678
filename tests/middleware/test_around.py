"""`Around`: a context manager around the call, as a layer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fq import (
    Around,
    Message,
    Outcome,
)
from fq.testing import message
from tests.middleware.handlers import MESSAGE, aanswer, answer, error_of, run


def test_a_context_manager_is_around_the_call_in_both_colours() -> None:
    seen: list[str] = []

    @contextmanager
    def spanning(message: Message) -> Iterator[None]:
        seen.append(f"in {message.actor_name}")
        yield
        seen.append("out")

    @asynccontextmanager
    async def aspanning(message: Message) -> AsyncIterator[None]:
        seen.append(f"async in {message.actor_name}")
        yield
        seen.append("async out")

    assert Around(spanning).wrap(answer)(MESSAGE) == Outcome.success(3)
    assert run(Around(spanning).awrap(aanswer)(MESSAGE)) == Outcome.success(3)
    assert run(Around(aspanning).awrap(aanswer)(MESSAGE)) == Outcome.success(3)
    assert seen == ["in add", "out", "in add", "out", "async in add", "async out"]


def test_a_context_manager_sees_a_failed_actor_as_a_normal_exit() -> None:
    exits: list[object] = []

    class Manager:
        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None:
            exits.append(error)

    assert Around(lambda _: Manager()).wrap(lambda _: Outcome.failure(ValueError("no")))(MESSAGE).error is not None  # type: ignore[arg-type]
    assert exits == [(None, None, None)]


def test_an_async_context_manager_around_a_sync_actor_is_refused() -> None:
    @asynccontextmanager
    async def aspanning(message: Message) -> AsyncIterator[None]:
        yield

    text = error_of(Around(aspanning).wrap(answer)(MESSAGE))[1]

    assert text.startswith("Around raised TypeError: <function ")
    assert text.endswith(" is an async context manager and add is a sync actor: expected a sync one")


def test_a_context_manager_that_cannot_be_entered_or_left_is_a_failure_of_its_layer() -> None:
    @contextmanager
    def broken(message: Message) -> Iterator[None]:
        if message.args[0]:
            raise ConnectionError("no database")
        yield
        raise ConnectionError("gone")

    for argument, text in ((1, "no database"), (0, "gone")):
        for outcome in (
            Around(broken).wrap(answer)(message("add", argument)),
            run(Around(broken).awrap(aanswer)(message("add", argument))),
        ):
            assert error_of(outcome)[1] == f"Around raised ConnectionError: {text}"


def test_around_is_no_option() -> None:
    assert Around.option_names() == frozenset()
    assert Around(print).wrap(lambda _: Outcome.success())(message("add", manager=None)).error is not None  # type: ignore[arg-type]
