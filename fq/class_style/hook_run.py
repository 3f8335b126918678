"""`HookRun`: one run of the hooks of a class-style middleware around one delivery, and what the hooks may do to its outcome."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Self, TypeVar

from attrs import evolve
from returns.pipeline import is_successful
from returns.result import Failure

from fq.class_style.dramatiq_compat import is_deliberate, is_interrupt, is_skip
from fq.class_style.handled_error import handling
from fq.class_style.hook_layer import HookLayer
from fq.class_style.hook_place import HookPlace
from fq.class_style.message_view import MessageView
from fq.core.message import Message
from fq.core.outcome import Dead, Drop, Outcome, Retry, Setback
from fq.errors import FqError, LayerError, MessageFailed
from fq.errors.exception_text import is_a, text_of
from fq.errors.propagation import aescapes, escapes
from fq.middleware.base import AsyncHandler, Handler
from fq.middleware.failures import layer_failure
from fq.runtime.logger import logger

T = TypeVar("T")

log = logger("fq.class_style")

AFTER_HOOKS = ("after_process_message", "after_skip_message")
"""The hooks that may be called after the actor."""


class HookRun:
    """Mutable: the hooks of *layer* around the delivery of *message*. A context manager that keeps the view of the delivery open."""

    def __init__(self, layer: HookLayer, message: Message) -> None:
        self._layer = layer
        self._deliveries = layer.broker.deliveries
        self._view: MessageView = self._deliveries.open(layer.broker, message, layer.actor_options)
        self._finished = False

    def __enter__(self) -> Self:
        self._deliveries.begin_run(self._view)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            self._deliveries.end_run(self._view)
        self._deliveries.close(self._view)

    def run(self, next: Handler, message: Message) -> Outcome:
        """Return the outcome of *message*, run by *next* between the hooks."""
        try:
            inward = self.before(message)
            return inward if isinstance(inward, Outcome) else self.after(self.call(next, inward))
        except BaseException as error:
            return layer_failure(self._layer, error)

    async def arun(self, next: AsyncHandler, message: Message, place: HookPlace | None = None) -> Outcome:
        """`run`, for async actors. The hooks run in *place*; or, without one, on the event loop."""
        try:
            inward = (
                self.before(message) if place is None else await self._in(place, ("before_process_message",), partial(self.before, message))
            )
            if isinstance(inward, Outcome):
                return inward
            outcome = await self.acall(next, inward, place)
            return self.after(outcome) if place is None else await self._in(place, AFTER_HOOKS, partial(self.after, outcome))
        except BaseException as error:
            return layer_failure(self._layer, error, awaited=True)

    async def _in(self, place: HookPlace, hooks: tuple[str, ...], call: Callable[[], T]) -> T:
        """Return ``call()``, called in *place* if the layer has one of *hooks*, which are all that it calls."""
        return await place.call(call) if any(name in self._layer.hooks for name in hooks) else call()

    def finish(self, outcome: Outcome) -> Outcome:
        """Return *outcome*, or, if a hook has put the message back, that retry alone: the effects of *outcome* belong to a final one."""
        self._finished = True
        replacement = self._deliveries.end_run(self._view)
        if replacement is None:
            return outcome
        self._view.put_back(replacement.message)
        error = outcome.error
        return Outcome(Failure(evolve(replacement, error=None if error is None or is_skip(error) else error)))

    def before(self, message: Message) -> Message | Outcome:
        """Call ``before_process_message``; return the message for the inner layers, or an outcome if the hook has decided it."""
        layer, view = self._layer, self._view
        if message is not view._message:
            view.refresh(message)
        view.set_dead(False)
        try:
            if hook := layer.hooks.get("before_process_message"):
                hook(layer.broker, view)
        except BaseException as error:
            if escapes(error):
                raise
            if is_skip(error):
                return self.after(failure(error, final=True) if view.failed_by_hook else Outcome.drop(text_of(error)))
            if is_deliberate(error) or is_interrupt(error):
                return self.after(failure(error))
            if layer.fail_open is not True:
                return failure(error if is_a(error, FqError) else LayerError(layer.middleware, error))
            log.exception("%s raised before %s, which runs all the same", type(layer.middleware).__name__, message)
        return self.after(Outcome.failure(MessageFailed(_FAILED))) if view.failed_by_hook else view.to_message()

    def call(self, next: Handler, message: Message) -> Outcome:
        """Return the outcome of *next*; an error that it raises becomes a failure."""
        try:
            return next(message)
        except BaseException as error:
            if not escapes(error):
                return failure(error)
            self.clean_up(error)
            raise

    async def acall(self, next: AsyncHandler, message: Message, place: HookPlace | None = None) -> Outcome:
        """`call`, for async actors."""
        try:
            return await next(message)
        except BaseException as error:
            if not aescapes(error):
                return failure(error)
            if place is None or isinstance(error, GeneratorExit):  # which lets nothing be awaited any more
                self.clean_up(error)
            else:
                await self._in(place, AFTER_HOOKS, partial(self.clean_up, error))
            raise

    def after(self, outcome: Outcome) -> Outcome:
        """Call ``after_process_message`` or ``after_skip_message``; return *outcome* with the changes of the hook."""
        layer, view = self._layer, self._view
        setback = None if is_successful(outcome.result) else as_skip(outcome.result.failure(), view)
        if setback is not None:
            outcome = outcome.alt(lambda _: setback)
        self._refresh_view(setback)
        try:
            self._call_after_hook(outcome, setback)
        except BaseException as error:  # the message has run: no error of a hook may run it again, not even sys.exit()
            if escapes(error):
                raise
            if layer.fail_open or setback is not None:
                log.exception("%s raised after %s, whose outcome stays as it is", type(layer.middleware).__name__, view)
            else:
                return failure(error if fails_message(error) else LayerError(layer.middleware, error))
        return self._with_changes(outcome)

    def clean_up(self, error: BaseException) -> None:
        """Call ``after_process_message`` for an actor that *error* has ended, which no layer turns into an outcome."""
        layer, view = self._layer, self._view
        view.stuff_exception(error)
        if hook := layer.hooks.get("after_process_message"):
            with logging_errors(layer):
                hook(layer.broker, view, result=None, exception=error)

    def _refresh_view(self, setback: Setback | None) -> None:
        """Update the view with *setback*, the outcome of the message."""
        view = self._view
        view.set_dead(isinstance(setback, Dead) and not self._layer.retried)
        if isinstance(setback, Retry):
            view.refresh(view.apply_changes(setback.message))
        if isinstance(setback, Retry | Dead) and setback.error is not None and not is_skip(setback.error):
            view.record_failure(setback.error, requeued=isinstance(setback, Retry))

    def _call_after_hook(self, outcome: Outcome, setback: Setback | None) -> None:
        layer, view = self._layer, self._view
        if is_skipped(setback):
            if hook := layer.hooks.get("after_skip_message"):
                handling(outcome.error, partial(hook, layer.broker, view))
        elif hook := layer.hooks.get("after_process_message"):
            error = None if is_a(outcome.error, MessageFailed) else outcome.error
            result = outcome.result.unwrap() if setback is None else None
            handling(error, partial(hook, layer.broker, view, result=result, exception=error))

    def _with_changes(self, outcome: Outcome) -> Outcome:
        """Return *outcome* with the changes of the hooks to the message, or as a failure if a hook has called `MessageView.fail`."""
        view = self._view
        if view.failed_by_hook:
            return failure(MessageFailed(_FAILED)) if outcome.succeeded else outcome.alt(as_dead)
        return outcome.alt(
            lambda setback: evolve(setback, message=view.apply_changes(setback.message)) if isinstance(setback, Retry) else setback
        )


_FAILED = "a middleware called message.fail()"


def failure(error: BaseException, *, final: bool = False) -> Outcome:
    """Return the outcome of a message that failed with *error*; with *final* it is not retried."""
    return Outcome(Failure(Dead(error, final=final)))


def fails_message(error: BaseException) -> bool:
    """Do hooks raise *error* on purpose, to let the message fail with it?"""
    return is_a(error, FqError) or is_deliberate(error) or is_interrupt(error)


def as_skip(setback: Setback, view: MessageView) -> Setback:
    """Return *setback*, or a `Drop` if its error is Dramatiq's way to skip a message."""
    if isinstance(setback, Dead) and is_skip(setback.error) and not is_a(setback.error, FqError):
        return setback if view.failed_by_hook else Drop(text_of(setback.error))
    return setback


def is_skipped(setback: Setback | None) -> bool:
    """Was the actor skipped, or did it ask to run later, so that there is no result to report?"""
    if isinstance(setback, Dead):
        return is_skip(setback.error)
    return isinstance(setback, Drop) or (isinstance(setback, Retry) and setback.error is None)


def as_dead(setback: Setback) -> Dead:
    """Return *setback* as the dead letter that `MessageView.fail` asks for."""
    error = None if isinstance(setback, Drop) else setback.error
    return Dead(MessageFailed(_FAILED) if error is None else error, final=True)


@contextmanager
def logging_errors(layer: HookLayer) -> Iterator[None]:
    """Log what a hook of *layer* raises, and continue."""
    try:
        yield
    except Exception:
        log.exception("a hook of %s failed", type(layer.middleware).__name__)


@contextmanager
def failing_open(layer: HookLayer) -> Iterator[None]:
    """Log what a hook of *layer* raises, and continue, if the layer fails open and the hook did not raise on purpose."""
    try:
        yield
    except Exception as error:
        if is_deliberate(error) or layer.fail_open is not True:
            raise
        log.exception("a hook of %s failed", type(layer.middleware).__name__)
