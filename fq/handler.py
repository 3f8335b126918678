"""The innermost handler: binds a message's arguments, calls the function, and makes an outcome of what came of it. It never raises `Exception`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, cast

from returns.pipeline import is_successful
from returns.result import Result, Success

from fq.errors import ActorFailure, Cancelled, Interrupt, SelfCancelled
from fq.layers.time_limit import exceeded
from fq.message import CANCELLED, Message
from fq.middleware import AsyncHandler, Handler
from fq.outcome import DONE, Outcome
from fq.signature import Signature


class Runs(Protocol):
    """How a worker calls a function for a message: inside the region where it may be interrupted."""

    def __call__(self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
        """Return ``fn(*args, **kwargs)``."""
        ...


class AsyncRuns(Protocol):
    """The same for coroutine functions."""

    def __call__(
        self, message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /
    ) -> Awaitable[object]:
        """Return ``await fn(*args, **kwargs)``."""
        ...


def plainly(_: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
    """Call *fn* with no time limit: for tests, and `App.run_until_idle`."""
    return fn(*args, **kwargs)


async def aplainly(_: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
    """Await *fn* with no time limit."""
    return await cast("Awaitable[object]", fn(*args, **kwargs))


def sync_handler(fn: Callable[..., object], signature: Signature, run: Runs = plainly) -> Handler:
    """Return the handler that calls *fn*."""
    bind, judge = signature.bind, _judge(signature)

    def handler(message: Message) -> Outcome:
        if message.interrupted:
            return cut_short(message)
        try:
            args, kwargs = bind(message.args, message.kwargs)
            return judge(run(message, fn, args, kwargs))
        except (Exception, Interrupt) as error:
            return Outcome.raised(error)

    return handler


def async_handler(fn: Callable[..., object], signature: Signature, run: AsyncRuns = aplainly) -> AsyncHandler:
    """Return the handler that awaits *fn*."""
    bind, judge = signature.bind, _judge(signature)

    async def handler(message: Message) -> Outcome:
        if message.interrupted:
            return cut_short(message)
        try:
            args, kwargs = bind(message.args, message.kwargs)
            return judge(await run(message, fn, args, kwargs))
        except (Exception, Interrupt) as error:
            return Outcome.raised(error)

    return handler


def cut_short(message: Message) -> Outcome:
    """Return the outcome of a message whose previous delivery was cut short for good: it fails for that, without being run again."""
    if message.interrupted == CANCELLED:
        return Outcome.failure(Cancelled(f"{message.actor_name} {message.message_id} was cancelled"))
    return Outcome.failure(exceeded(message.actor_name, message.time_limit))


def cancelled_itself(message: Message) -> SelfCancelled:
    """Return the error of an async actor that raised `asyncio.CancelledError` when nobody had cancelled its message: an ordinary failure."""
    return SelfCancelled(f"{message.actor_name} raised CancelledError itself, or awaited what was cancelled")


def _judge(signature: Signature) -> Callable[[object], Outcome]:
    dump_result = signature.dump_result

    def judge(value: object) -> Outcome:
        if value is not None and isinstance(value, Result):
            if not is_successful(value):
                error = value.failure()
                return Outcome.raised(error if isinstance(error, Exception | Interrupt) else ActorFailure(error))
            value = value.unwrap()
        dumped = dump_result(value)
        return DONE if dumped is None else Outcome(Success(dumped))

    return judge
