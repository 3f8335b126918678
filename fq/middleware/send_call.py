"""`SendCall`: one call of the broker that sends messages, from before they pass the layers until it is known what became of them. Mutable shell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar, cast

from fq.errors.propagation import escapes
from fq.runtime.logger import logger

T = TypeVar("T")
log = logger("fq.middleware")

OnEnd: TypeAlias = Callable[[BaseException | None], None]
"""Is called at the end of a send, with its error if it failed."""


class SendCall:
    """
    One call that sends messages, as `Middleware.on_send` sees it. A new one for each call: a send, a batch of `send_many`, the commit of an outcome.

    >>> call = SendCall(is_batch=True)
    >>> call.at_end(lambda error: print("sent" if error is None else f"not sent: {error}"))
    >>> call.end()
    sent

    Attributes:
        is_batch: are several messages sent? Those of an outcome, which have nothing else in common, are no batch.

        is_commit: is it the commit of an outcome, or of a tick of a schedule? It may be made much later, in another thread, or never.
    """

    def __init__(self, *, is_batch: bool = False, is_commit: bool = False) -> None:
        self.is_batch = is_batch
        self.is_commit = is_commit
        self._at_end: list[OnEnd] = []
        self._shared: dict[Callable[..., object], object] = {}

    def at_end(self, callback: OnEnd) -> None:
        """Call *callback* once the broker has the messages, with None, or has not taken them, with the error. What it raises is logged."""
        self._at_end.append(callback)

    def once(self, factory: "Callable[[SendCall], T]") -> T:
        """Return what *factory* makes of this call: the same value for each of its messages."""
        if factory not in self._shared:
            self._shared[factory] = factory(self)
        return cast(T, self._shared[factory])

    def end(self, error: BaseException | None = None) -> None:
        """Call what waits for the end; fq calls this, once."""
        waiting, self._at_end = self._at_end, []
        for callback in waiting:
            try:
                callback(error)
            except BaseException as worse:
                if escapes(worse):
                    raise
                log.error("a layer raised at the end of a send", exc_info=worse)


@contextmanager
def send_call(*, is_batch: bool = False) -> Iterator[SendCall]:
    """Yield a call that ends with the context, with its error if it has one."""
    call = SendCall(is_batch=is_batch)
    try:
        yield call
    except BaseException as error:
        call.end(error)
        raise
    call.end()
