"""
The innermost handler: binds a message's arguments, calls the function, and makes an outcome of what came of it.

Whatever the function raises is its failure. What passes is only what is meant for the thread or the task: see ``fq.errors.propagation``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, cast

from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.core.message import CANCELLED, Message
from fq.core.outcome import DONE, Outcome
from fq.errors import ActorFailure, Cancelled, InvalidArguments, SelfCancelled
from fq.errors.propagation import aescapes, escapes, is_being_cancelled, running_task
from fq.execution.version_skew import left_to_others
from fq.layers.callbacks import as_data
from fq.layers.time_limit import exceeded
from fq.middleware.base import AsyncHandler, Handler
from fq.wire.signature import Signature
from fq.wire.signature.parameters import Args, Kwargs


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


def call_directly(_: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
    """Call *fn* with no time limit: for tests, and `App.run_until_idle`."""
    return fn(*args, **kwargs)


async def acall_directly(message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
    """Await *fn* with no time limit."""
    task = running_task()
    try:
        return await cast("Awaitable[object]", fn(*args, **kwargs))
    except (asyncio.CancelledError, GeneratorExit) as error:
        return Failure(of_the_actor(message, error, task))


def sync_handler(fn: Callable[..., object], signature: Signature, run: Runs = call_directly, grace: int = 0) -> Handler:
    """Return the handler that calls *fn*. Arguments that do not fit are left to others for *grace* ms: see ``fq.execution.version_skew``."""
    bind, judge = _bind(signature), _outcome_of(signature)

    def handler(message: Message) -> Outcome:
        if message.interrupted:
            return interrupted_outcome(message)
        try:
            args, kwargs = bind(message.args, message.kwargs)
        except Exception as error:
            return arguments_do_not_fit(message, error, grace)
        try:
            return judge(run(message, fn, args, kwargs))
        except asyncio.CancelledError as error:  # of an event loop that the actor runs itself
            return Outcome.failure(cancelled_itself(message.actor_name, error))
        except BaseException as error:
            if escapes(error):
                raise
            return Outcome.raised(error)

    return handler


def async_handler(fn: Callable[..., object], signature: Signature, run: AsyncRuns = acall_directly, grace: int = 0) -> AsyncHandler:
    """Return the handler that awaits *fn*, in the same way."""
    bind, judge = _bind(signature), _outcome_of(signature)

    async def handler(message: Message) -> Outcome:
        if message.interrupted:
            return interrupted_outcome(message)
        try:
            args, kwargs = bind(message.args, message.kwargs)
        except Exception as error:
            return arguments_do_not_fit(message, error, grace)
        try:
            return judge(await run(message, fn, args, kwargs))
        except BaseException as error:
            if aescapes(error):
                raise
            return Outcome.raised(error)

    return handler


def _bind(signature: Signature) -> Callable[[Args, Kwargs], tuple[Args, Kwargs]]:
    """Return how the arguments of a message become those of the function; see `MessageData` for a callback."""
    bind = signature.bind
    if not signature.is_untyped_first:
        return bind

    def told(args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        args, kwargs = bind(args, kwargs)
        return as_data(args), kwargs

    return told


def arguments_do_not_fit(message: Message, error: Exception, grace: int) -> Outcome:
    """Return the outcome of *message*, whose arguments raise *error*: another release of the actor may take them."""
    return left_to_others(message, error, grace) if isinstance(error, InvalidArguments) else Outcome.raised(error)


def interrupted_outcome(message: Message) -> Outcome:
    """Return the outcome of a message whose previous delivery was cut short for good: it fails for that, without being run again."""
    if message.interrupted == CANCELLED:
        return Outcome.failure(Cancelled(f"{message.actor_name} {message.message_id} was cancelled"))
    return Outcome.failure(exceeded(message.actor_name, message.time_limit))


def of_the_actor(message: Message, error: asyncio.CancelledError | GeneratorExit, task: "asyncio.Task[object] | None") -> BaseException:
    """
    Return *error*, which awaiting an actor in *task* has raised, as a failure of the actor, if the actor raised it itself.

    Otherwise raise it: the task is being cancelled, or its coroutine is being closed, which no task does from the inside.
    """
    if isinstance(error, asyncio.CancelledError):
        if is_being_cancelled(task):
            raise error
        return cancelled_itself(message.actor_name, error)
    if task is None or running_task() is not task:
        raise error
    return error


def cancelled_itself(actor_name: str, error: BaseException) -> SelfCancelled:
    """Return the error of an actor that raised *error*, an `asyncio.CancelledError`, when its message had not been cancelled: an ordinary failure."""
    said = SelfCancelled(f"{actor_name} raised CancelledError itself, or awaited what was cancelled")
    said.__cause__ = error
    return said


def _outcome_of(signature: Signature) -> Callable[[object], Outcome]:
    dump_result = signature.dump_result

    def judge(value: object) -> Outcome:
        if value is not None and isinstance(value, Result):
            if not is_successful(value):
                error = value.failure()
                return Outcome.raised(error if isinstance(error, BaseException) else ActorFailure(error))
            value = value.unwrap()
        dumped = dump_result(value)
        return DONE if dumped is None else Outcome(Success(dumped))

    return judge
