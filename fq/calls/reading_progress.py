"""What a running message has told, read from the broker: its progress, and the values of its stream."""

from collections.abc import Callable, Iterator, Sequence

from attrs import define, evolve

from fq.brokers.operations import message_key
from fq.brokers.protocol import Broker
from fq.brokers.records import Mark, Status
from fq.calls.watch import RESTARTED
from fq.core.progress import Progress
from fq.wire.convert import from_json
from fq.wire.progress import decode_chunk, decode_progress

CHUNKS_PER_CALL = 100
"""How many values of a stream are read at a time."""


def with_progress(broker: Broker, status: Status) -> Status:
    """Return *status* with the progress of the message, if it runs and this claim has told one: what an earlier one told counts for nothing."""
    return evolve(status, progress=_of_delivery(_mark(broker, status.message_id), status)) if status.state == "running" else status


def read_progress(broker: Broker, message_id: str) -> Progress | None:
    """Return the progress of a message; None if it does not run, or has told none."""
    mark = _mark(broker, message_id)
    return None if mark is None else _of_delivery(mark, broker.status(message_id))


def _mark(broker: Broker, message_id: str) -> Mark | None:
    key = message_key("progress", message_id)
    return broker.marks((key,)).get(key)


def _of_delivery(mark: Mark | None, status: Status) -> Progress | None:
    if mark is None or status.state != "running":
        return None
    return decode_progress(mark.body, status.token, status.worker, status.deliveries)


@define
class ProgressSource:
    """Mutable: the progress that *read* returns, each once."""

    read: Callable[[], Progress | None]
    latest: Progress | None = None

    def look(self) -> Sequence[Progress]:
        """See `Source.look`."""
        before, self.latest = self.latest, self.read()
        return () if self.latest is None or self.latest == before else (self.latest,)

    def restarted(self) -> None:
        """See `Source.restarted`: a progress is never of an earlier delivery."""


@define
class StreamSource:
    """
    Mutable: the values of the stream of *message_id*, each once, as values of *emits*; an annotation of None leaves them JSON.

    A delivery that begins anew begins a new epoch of the stream: *on_restart* is called before its first value.
    """

    broker: Broker
    message_id: str
    emits: object
    on_restart: Callable[[], object] | None
    epoch: int | None = None
    after: tuple[int, str] | None = None

    def look(self) -> Sequence[object]:
        """See `Source.look`."""
        found: list[object] = []
        for mark in self._marks():
            chunk = decode_chunk(mark.body)
            if chunk.epoch != self.epoch:
                found += [] if self.epoch is None else [RESTARTED]
                self.epoch = chunk.epoch
            found.append(chunk.value if self.emits is None else from_json(chunk.value, self.emits))
        return found

    def restarted(self) -> None:
        """See `Source.restarted`."""
        if self.on_restart is not None:
            self.on_restart()

    def _marks(self) -> Iterator[Mark]:
        index = message_key("stream", self.message_id)
        while marks := self.broker.marks_in(index, after=self.after, limit=CHUNKS_PER_CALL):
            self.after = (marks[-1].order, marks[-1].key)
            yield from marks
            if len(marks) < CHUNKS_PER_CALL:
                return
