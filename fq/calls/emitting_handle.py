"""`EmittingHandle`: the handle of a call of an actor that emits values while it runs. ``fq.calls.emitting`` has the actor and the call."""

from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import frozen

from fq.calls.reading_progress import StreamSource
from fq.calls.task_handle import TaskHandle
from fq.calls.watch import DEFAULT_WATCH_INTERVAL_MS, Watch, interval_ms, watching
from fq.core.duration import Duration, optional_ms

R_co = TypeVar("R_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)


@frozen
class EmittingHandle(TaskHandle[R_co], Generic[R_co, C_co]):
    """The `Handle` of a call of an actor with *emits*, the type of the values of its stream."""

    def watch(  # type: ignore[override]  # it yields the values of the stream in the place of progress
        self,
        *,
        timeout: Duration | None = None,
        interval: Duration = DEFAULT_WATCH_INTERVAL_MS,
        on_restart: Callable[[], object] | None = None,
    ) -> Watch[C_co | R_co]:
        """
        Return an iterator, for ``for`` and ``async for``, over what the actor emits by ``fq.emit``, from the first value that is kept.

        The last item is the result.

        If the message begins anew, after a failure or the loss of its worker, what it emits begins anew: *on_restart* is called before the first of
        that, to forget what came before. See `Handle.watch` for the rest.
        """
        source = StreamSource(self.app.broker, self.message_id, self.app.get_actor(self.actor_name).emits, on_restart)
        return Watch(watching(self, source, optional_ms(timeout), interval_ms(interval)))
