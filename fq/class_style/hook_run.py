"""`Passage`: one delivery on its way through one class-style middleware, and what its hooks may do to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

from attrs import evolve
from returns.pipeline import is_successful
from returns.result import Failure

from fq.class_style.dramatiq_compat import is_deliberate, is_interrupt, is_skip
from fq.class_style.handled_error import handling
from fq.class_style.message_view import MessageView
from fq.core.message import Message
from fq.core.outcome import Dead, Drop, Outcome, Retry, Setback
from fq.errors import FqError, LayerError, MessageFailed
from fq.errors.exception_text import is_a, text_of
from fq.errors.propagation import aescapes, escapes
from fq.middleware.base import AsyncHandler, Handler, layer_failure
from fq.runtime.logger import logger

if TYPE_CHECKING:
    from fq.class_style.adapter import Hooks

log = logger("fq.class_style")


class Passage:
    """Mutable: *layer* around one delivery, that of *message*. A context, in which the view of the delivery is open."""

    def __init__(self, layer: "Hooks", message: Message) -> None:
        self._layer = layer
        self._deliveries = layer.broker.deliveries
        self._view: MessageView = self._deliveries.open(layer.broker, message, layer.options)
        self._settled = False

    def __enter__(self) -> Self:
        self._deliveries.enter(self._view)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._settled:
            self._deliveries.leave(self._view)
        self._deliveries.close(self._view)

    def run(self, next: Handler, message: Message) -> Outcome:
        """Return what came of *message*, between the hooks and inside of *next*."""
        try:
            inward = self.enter(message)
            return inward if isinstance(inward, Outcome) else self.leave(self.call(next, inward))
        except BaseException as error:
            return layer_failure(self._layer, error)

    async def arun(self, next: AsyncHandler, message: Message) -> Outcome:
        """`run`, for async actors."""
        try:
            inward = self.enter(message)
            return inward if isinstance(inward, Outcome) else self.leave(await self.acall(next, inward))
        except BaseException as error:
            return layer_failure(self._layer, error, awaited=True)

    def settled(self, outcome: Outcome) -> Outcome:
        """Return *outcome*; where a hook has put the message back, the retry that this is. Nothing else of *outcome* is left then: it was not the last."""
        self._settled = True
        again = self._deliveries.leave(self._view)
        if again is None:
            return outcome
        self._view.put_back(again.message)
        error = outcome.error
        return Outcome(Failure(evolve(again, error=None if error is None or is_skip(error) else error)))

    def enter(self, message: Message) -> Message | Outcome:
        """Call ``before_process_message``; return the message to pass inwards, or the outcome where a hook has decided it."""
        layer, view = self._layer, self._view
        if message is not view._message:
            view.show(message)
        view.judge(False)
        try:
            if hook := layer.hooks.get("before_process_message"):
                hook(layer.broker, view)
        except BaseException as error:
            if escapes(error):
                raise
            if is_skip(error):
                return self.leave(failure(error, final=True) if view.marked else Outcome.drop(text_of(error)))
            if is_deliberate(error) or is_interrupt(error):
                return self.leave(failure(error))
            if layer.fail_open is not True:
                return failure(error if is_a(error, FqError) else LayerError(layer.middleware, error))
            log.exception("%s raised before %s, which runs all the same", type(layer.middleware).__name__, message)
        return self.leave(Outcome.failure(MessageFailed(_FAILED))) if view.marked else view.folded()

    def call(self, next: Handler, message: Message) -> Outcome:
        """Return what *next* returns, or the failure that a bare handler raises."""
        try:
            return next(message)
        except BaseException as error:
            return self._cut_short(error, escapes(error))

    async def acall(self, next: AsyncHandler, message: Message) -> Outcome:
        """`call`, for async actors."""
        try:
            return await next(message)
        except BaseException as error:
            return self._cut_short(error, aescapes(error))

    def leave(self, outcome: Outcome) -> Outcome:
        """Call ``after_process_message`` or ``after_skip_message``; return what they make of *outcome*."""
        layer, view = self._layer, self._view
        setback = None if is_successful(outcome.result) else skipped(outcome.result.failure(), view)
        if setback is not None:
            outcome = outcome.alt(lambda _: setback)
        self._show(setback)
        try:
            self._tell(outcome, setback)
        except BaseException as error:  # what has run must not run again for it, not even for a sys.exit()
            if escapes(error):
                raise
            if layer.fail_open or setback is not None:
                log.exception("%s raised after %s, whose outcome stays as it is", type(layer.middleware).__name__, view)
            else:
                return failure(error if is_meant(error) else LayerError(layer.middleware, error))
        return self._refold(outcome)

    def _cut_short(self, error: BaseException, escapes: bool) -> Outcome:
        """Return the outcome of an actor that *error* ended; where that *escapes*, let the hooks clean up and pass it on."""
        if not escapes:
            return failure(error)
        layer, view = self._layer, self._view
        view.stuff_exception(error)
        if hook := layer.hooks.get("after_process_message"):
            with logged(layer):
                hook(layer.broker, view, result=None, exception=error)
        raise error

    def _show(self, setback: Setback | None) -> None:
        """Bring the view up to date with what came of the message."""
        view = self._view
        view.judge(isinstance(setback, Dead) and not self._layer.retried)
        if isinstance(setback, Retry):
            view.show(view.fold(setback.message))
        if isinstance(setback, Retry | Dead) and setback.error is not None and not is_skip(setback.error):
            view.note(setback.error, requeued=isinstance(setback, Retry))

    def _tell(self, outcome: Outcome, setback: Setback | None) -> None:
        layer, view = self._layer, self._view
        if is_skipped(setback):
            if hook := layer.hooks.get("after_skip_message"):
                handling(outcome.error, partial(hook, layer.broker, view))
        elif hook := layer.hooks.get("after_process_message"):
            error = None if is_a(outcome.error, MessageFailed) else outcome.error
            result = outcome.result.unwrap() if setback is None else None
            handling(error, partial(hook, layer.broker, view, result=result, exception=error))

    def _refold(self, outcome: Outcome) -> Outcome:
        """Return *outcome* with what the hooks wrote into the message, or their verdict that it has failed."""
        view = self._view
        if view.marked:
            return failure(MessageFailed(_FAILED)) if outcome.succeeded else outcome.alt(buried)
        return outcome.alt(lambda setback: evolve(setback, message=view.fold(setback.message)) if isinstance(setback, Retry) else setback)


_FAILED = "a middleware called message.fail()"


def failure(error: BaseException, *, final: bool = False) -> Outcome:
    """Return the outcome of *error*; *final*: it is not to be tried again."""
    return Outcome(Failure(Dead(error, final=final)))


def is_meant(error: BaseException) -> bool:
    """Is *error* one that hooks raise on purpose, for the message to fail with?"""
    return is_a(error, FqError) or is_deliberate(error) or is_interrupt(error)


def skipped(setback: Setback, view: MessageView) -> Setback:
    """Return *setback*; where somebody else's way to skip a message was taken for an error, the skip."""
    if isinstance(setback, Dead) and is_skip(setback.error) and not is_a(setback.error, FqError):
        return setback if view.marked else Drop(text_of(setback.error))
    return setback


def is_skipped(setback: Setback | None) -> bool:
    """Has the actor not been run, or asked to be run later, so that there is nothing to report of it?"""
    if isinstance(setback, Dead):
        return is_skip(setback.error)
    return isinstance(setback, Drop) or (isinstance(setback, Retry) and setback.error is None)


def buried(setback: Setback) -> Dead:
    """Return the dead letter that `MessageView.fail` makes of *setback*."""
    error = None if isinstance(setback, Drop) else setback.error
    return Dead(MessageFailed(_FAILED) if error is None else error, final=True)


@contextmanager
def logged(layer: "Hooks") -> Iterator[None]:
    """Log what a hook of *layer* raises, and go on."""
    try:
        yield
    except Exception:
        log.exception("a hook of %s failed", type(layer.middleware).__name__)


@contextmanager
def tolerated(layer: "Hooks") -> Iterator[None]:
    """Log what a hook of *layer* raises, and go on, where the layer fails open and the hook did not mean it."""
    try:
        yield
    except Exception as error:
        if is_deliberate(error) or layer.fail_open is not True:
            raise
        log.exception("a hook of %s failed", type(layer.middleware).__name__)
