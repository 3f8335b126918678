"""
The innermost handler: it binds the arguments of a message, calls the actor's function, and makes an outcome of its result.

Every exception that the function raises is a failure of the message, except those meant for the thread or the task: see ``fq.errors.propagation``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.core.message import CANCELLED, Message
from fq.core.outcome import DONE, Outcome
from fq.errors import ActorFailure, Cancelled, InvalidArguments, SelfCancelled
from fq.errors.propagation import aescapes, escapes, is_being_cancelled, running_task
from fq.execution.function_runner import AsyncFunctionRunner, FunctionRunner
from fq.execution.injection import Injection
from fq.execution.version_skew import put_back_or_fail
from fq.layers.callbacks import with_message_data
from fq.layers.time_limit import time_limit_exceeded
from fq.middleware.base import AsyncHandler, Handler
from fq.runtime.actor_run import begin_run
from fq.wire.signature import Signature
from fq.wire.signature.parameters import Args, Kwargs


def call_directly(_: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
    """Call *fn* without a time limit, for tests and `App.run_until_idle`."""
    return fn(*args, **kwargs)


async def acall_directly(message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /) -> object:
    """Await *fn* without a time limit."""
    task = running_task()
    try:
        return await cast("Awaitable[object]", fn(*args, **kwargs))
    except (asyncio.CancelledError, GeneratorExit) as error:
        return Failure(actor_failure(message, error, task))


def sync_handler(
    fn: Callable[..., object], signature: Signature, run: FunctionRunner = call_directly, grace: int = 0, injection: Injection | None = None
) -> Handler:
    """
    Return the handler that calls *fn*, with what *injection* adds to its arguments.

    For *grace* ms, it puts back a message with invalid arguments: see ``fq.execution.version_skew``.
    """
    bind, to_outcome = _binder(signature), _outcome_maker(signature)
    if injection is not None:
        run, to_outcome = injection.around(run, to_outcome)

    def handler(message: Message) -> Outcome:
        if message.interrupted:
            return interrupted_outcome(message)
        try:
            args, kwargs = bind(message.args, message.kwargs)
        except Exception as error:
            return invalid_arguments_outcome(message, error, grace)
        actor_run = begin_run(message)
        try:
            return actor_run.end(to_outcome(run(message, fn, args, kwargs)))
        except asyncio.CancelledError as error:  # from an event loop that the actor runs itself
            return actor_run.end(Outcome.failure(self_cancelled(message.actor_name, error)))
        except BaseException as error:
            if escapes(error):
                actor_run.leave()
                raise
            return actor_run.end(Outcome.raised(error))

    return handler


def async_handler(
    fn: Callable[..., object],
    signature: Signature,
    run: AsyncFunctionRunner = acall_directly,
    grace: int = 0,
    injection: Injection | None = None,
) -> AsyncHandler:
    """`sync_handler`, for coroutine functions."""
    bind, to_outcome = _binder(signature), _outcome_maker(signature)
    if injection is not None:
        run, to_outcome = injection.around_async(run, to_outcome)

    async def handler(message: Message) -> Outcome:
        if message.interrupted:
            return interrupted_outcome(message)
        try:
            args, kwargs = bind(message.args, message.kwargs)
        except Exception as error:
            return invalid_arguments_outcome(message, error, grace)
        actor_run = begin_run(message)
        try:
            return actor_run.end(to_outcome(await run(message, fn, args, kwargs)))
        except BaseException as error:
            if aescapes(error):
                actor_run.leave()
                raise
            return actor_run.end(Outcome.raised(error))

    return handler


def _binder(signature: Signature) -> Callable[[Args, Kwargs], tuple[Args, Kwargs]]:
    """Return the function that makes the arguments of the actor's function from those of a message."""
    bind = signature.bind
    if not signature.is_untyped_first:
        return bind

    def bind_callback(args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        args, kwargs = bind(args, kwargs)
        return with_message_data(args), kwargs

    return bind_callback


def invalid_arguments_outcome(message: Message, error: Exception, grace: int) -> Outcome:
    """Return the outcome of *message*, whose arguments raise *error*. Another release of the actor may accept them."""
    return put_back_or_fail(message, error, grace) if isinstance(error, InvalidArguments) else Outcome.raised(error)


def interrupted_outcome(message: Message) -> Outcome:
    """Return the outcome of a message whose previous delivery was cancelled or exceeded its time limit: it fails without another run."""
    if message.interrupted == CANCELLED:
        return Outcome.failure(Cancelled(f"{message.actor_name} {message.message_id} was cancelled"))
    return Outcome.failure(time_limit_exceeded(message.actor_name, message.time_limit))


def actor_failure(message: Message, error: asyncio.CancelledError | GeneratorExit, task: "asyncio.Task[object] | None") -> BaseException:
    """
    Return the failure of an actor that raised *error* itself while *task* awaited it.

    Otherwise raise *error*: the task is being cancelled, or its coroutine is being closed, which happens outside of the task.
    """
    if isinstance(error, asyncio.CancelledError):
        if is_being_cancelled(task):
            raise error
        return self_cancelled(message.actor_name, error)
    if task is None or running_task() is not task:
        raise error
    return error


def self_cancelled(actor_name: str, error: BaseException) -> SelfCancelled:
    """Return the failure of an actor that raised *error*, an `asyncio.CancelledError`, although its message was not cancelled."""
    failure = SelfCancelled(
        f"{actor_name} raised CancelledError, but was not cancelled: it raised the error itself, or awaited a cancelled task"
    )
    failure.__cause__ = error
    return failure


def _outcome_maker(signature: Signature) -> Callable[[object], Outcome]:
    """Return the function that makes an outcome of what the actor returns."""
    dump_result = signature.dump_result

    def to_outcome(value: object) -> Outcome:
        if value is not None and isinstance(value, Result):
            if not is_successful(value):
                error = value.failure()
                return Outcome.raised(error if isinstance(error, BaseException) else ActorFailure(error))
            value = value.unwrap()
        dumped = dump_result(value)
        return DONE if dumped is None else Outcome(Success(dumped))

    return to_outcome
