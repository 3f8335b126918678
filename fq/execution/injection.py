"""
`Injection`: calls the function of an actor with the resources that it asks for, which are opened before and closed after it.

For a sync actor, opening and closing are outside of the region where an interrupt may strike, so that no interrupt leaves a resource open. For an async actor
they are inside: whatever awaits can be cancelled, and time limits hold for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, cast

from attrs import frozen
from returns.result import Failure

from fq.core.message import Message
from fq.core.outcome import Outcome, Retry
from fq.errors.propagation import running_task
from fq.execution.function_runner import AsyncFunctionRunner, FunctionRunner
from fq.resources.declared import AnyResource, Needs
from fq.resources.open_scope import NotOpen, OpenScope

NOT_OPEN_MS = 1_000
"""How long a message waits before it is claimed again, if a resource of the process is not open."""

ToOutcome: TypeAlias = Callable[[object], Outcome]


@frozen
class Injection:
    """
    What one actor gets.

    Attributes:
        needs: its resources, by the names of its parameters.

        process: what is open in this process.
    """

    needs: Needs
    process: OpenScope

    def around(self, run: FunctionRunner, to_outcome: ToOutcome) -> tuple[FunctionRunner, ToOutcome]:
        """Return *run* with the resources of a message open around it, and what makes an outcome of what that returns."""

        def run_with_resources(
            message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /
        ) -> object:
            opened = self.process.for_message()
            try:
                outcome = to_outcome(run(message, fn, args, {**kwargs, **opened.open(self.needs)}))
            except NotOpen as error:
                return self._put_back(message, error.resource, opened.close())
            except BaseException as error:
                opened.close(error)
                raise
            return _closed(outcome, opened.close(outcome.error))

        return run_with_resources, _as_outcome(to_outcome)

    def around_async(self, run: AsyncFunctionRunner, to_outcome: ToOutcome) -> tuple[AsyncFunctionRunner, ToOutcome]:
        """`around`, for coroutine functions."""

        async def run_with_resources(
            message: Message, fn: Callable[..., object], args: tuple[object, ...], kwargs: Mapping[str, object], /
        ) -> object:
            async def call(*args: object, **kwargs: object) -> Outcome:
                opened, task = self.process.for_message(), running_task()
                try:
                    outcome = to_outcome(await cast("Awaitable[object]", fn(*args, **{**kwargs, **await opened.aopen(self.needs)})))
                except NotOpen as error:
                    return self._put_back(message, error.resource, await opened.aclose())
                except BaseException as error:
                    if not isinstance(error, GeneratorExit) or running_task() is task:  # otherwise it is closed, and nothing can be awaited
                        await opened.aclose(error)
                    raise
                return _closed(outcome, await opened.aclose(outcome.error))

            return await run(message, call, args, kwargs)

        return run_with_resources, _as_outcome(to_outcome)

    def _put_back(self, message: Message, resource: AnyResource, raised: BaseException | None) -> Outcome:
        """Return the outcome of *message*, which waits for *resource*; no attempt is used up, unless another one *raised* an error when it was closed."""
        if raised is not None:
            raise raised
        self.process.on_missing(resource)
        return Outcome(Failure(Retry(message, NOT_OPEN_MS)))


def _closed(outcome: Outcome, error: BaseException | None) -> Outcome:
    """Return *outcome* of an actor, after whose end *error* stands."""
    if error is not None and outcome.succeeded:
        raise error
    return outcome


def _as_outcome(to_outcome: ToOutcome) -> ToOutcome:
    def as_outcome(value: object) -> Outcome:
        return value if isinstance(value, Outcome) else to_outcome(value)

    return as_outcome
