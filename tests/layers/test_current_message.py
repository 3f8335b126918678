"""`CurrentMessage`: an actor can read the message that it runs for."""

import asyncio
import threading
from contextvars import copy_context

from fq import Message, Outcome, compose, current_message, default_middleware, get_current_message, retries, time_limit
from fq.testing import message


def current(_: Message) -> Outcome:
    return Outcome.success(get_current_message())


async def acurrent(_: Message) -> Outcome:
    await asyncio.sleep(0)
    return Outcome.success(get_current_message())


def test_there_is_none_outside_of_an_actor() -> None:
    assert get_current_message() is None


def test_a_sync_actor_sees_its_message_and_nothing_is_left_behind() -> None:
    assert current_message().wrap(current)(message("add", 1)) == Outcome.success(message("add", 1))
    assert get_current_message() is None


def test_async_actors_that_run_at_once_see_each_its_own() -> None:
    handle = current_message().awrap(acurrent)

    async def both() -> list[Outcome]:
        return list(await asyncio.gather(*(handle(message("add", n)) for n in range(10))))

    assert asyncio.run(both()) == [Outcome.success(message("add", n)) for n in range(10)]


def test_the_message_is_gone_after_an_actor_that_was_cut_short() -> None:
    def interrupted(_: Message) -> Outcome:
        raise KeyboardInterrupt

    try:
        current_message().wrap(interrupted)(message("add"))
    except KeyboardInterrupt:
        assert get_current_message() is None


def test_nested_handlers_see_the_innermost_message() -> None:
    handle = current_message().wrap(current)

    def outer(_: Message) -> Outcome:
        inner = handle(message("inner")).result.unwrap()
        return Outcome.success((inner, get_current_message()))

    assert current_message().wrap(outer)(message("outer")) == Outcome.success((message("inner"), message("outer")))


def test_a_thread_of_ones_own_sees_it_only_with_the_context() -> None:
    def threaded(_: Message) -> Outcome:
        seen: list[Message | None] = []
        context = copy_context()
        for target in (lambda: seen.append(get_current_message()), lambda: context.run(lambda: seen.append(get_current_message()))):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        return Outcome.success(seen)

    assert current_message().wrap(threaded)(message("add")) == Outcome.success([None, message("add")])


def test_the_message_is_as_the_layers_further_out_left_it() -> None:
    seen = compose(retries(), time_limit(time_limit=5), current_message()).wrap(current)(message("add")).result.unwrap()

    assert isinstance(seen, Message)
    assert seen.time_limit == 5


def test_it_is_the_innermost_layer_of_the_default_stack() -> None:
    assert list(default_middleware)[-1] == current_message()
