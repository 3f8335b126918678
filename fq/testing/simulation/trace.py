"""`Trace`: the latest events of a run, formatted only when they are read. Mutable shell."""

from collections import deque
from collections.abc import Iterator, Sequence

from returns.pipeline import is_successful

from fq.brokers.protocol import Broker
from fq.brokers.records import (
    Ack,
    ArriveOp,
    Bury,
    ClaimRequest,
    Commit,
    Continue,
    Delivery,
    Disposition,
    EnqueueOp,
    Release,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
    Turn,
)
from fq.core.outcome import Dead, Outcome, Retry
from fq.testing.simulation.ledger import Ledger

MAX_LINES = 40
"""How many events are kept."""


class Trace:
    """The events, with times of the clock of *broker* and names of *ledger*."""

    def __init__(self, broker: Broker, ledger: Ledger) -> None:
        self._broker = broker
        self._ledger = ledger
        self._start = broker.now()
        self._lines: deque[tuple[int, str, tuple[object, ...]]] = deque(maxlen=MAX_LINES)

    def add(self, what: str, *details: object) -> None:
        """Add the event *what*, with *details* for its braces."""
        self._lines.append((self._broker.now(), what, details))

    def add_enqueue(self, ops: Sequence[EnqueueOp]) -> None:
        """Add that a producer sent *ops*."""
        self.add("a producer sends {}", ops)

    def add_turn(self, commits: Sequence[Commit], request: ClaimRequest, turn: Turn) -> None:
        """Add a turn, unless it had neither commits nor claims."""
        if not (commits or turn.deliveries):
            return
        stale = [commit for commit in commits if commit.message_id in turn.stale]
        fresh = [commit for commit in commits if commit.message_id not in turn.stale]
        parts = (("commits {}", fresh), ("is too late with {}", stale), ("claims {}", turn.deliveries))
        said = [(words, part) for words, part in parts if part]
        self.add("{} " + "; ".join(words for words, _ in said), request.worker, *(part for _, part in said))

    def __iter__(self) -> Iterator[str]:
        for now, what, details in self._lines:
            yield f"{now - self._start:>9} ms  {what.format(*map(self._words, details))}"

    def _words(self, detail: object) -> str:
        match detail:
            case list() | tuple():
                return ", ".join(map(self._words, detail))
            case EnqueueOp(message_id, _, _, _, delay):
                return self._ledger.name(message_id) + (f" for {delay} ms later" if delay else "")
            case Delivery():
                return self._ledger.name(detail.message_id) + (f" (delivery {detail.deliveries})" if detail.deliveries != 1 else "")
            case Commit(message_id, _, _, disposition, operations):
                also = "".join(f" + {self._words(operation)}" for operation in operations)
                return f"{self._ledger.name(message_id)} {_disposition(disposition)}{also}"
            case StoreResultOp(message_id):
                return f"result of {self._ledger.name(message_id)}"
            case ArriveOp(group, member, size):
                return f"arrival {member} of {size} in group {group[:8]}"
            case SetMarkOp(key):
                return f"mark {key}"
            case Outcome():
                return _outcome(detail)
            case _:
                return self._ledger.name(str(detail))


def _disposition(disposition: Disposition) -> str:
    match disposition:
        case Ack():
            return "done"
        case Reschedule(op):
            return f"again in {op.delay} ms"
        case Bury(fault):
            return f"dead ({fault.type})"
        case Release(counted):
            return "handed back" + (", counted" if counted else "")
        case Continue():
            return "goes on"


def _outcome(outcome: Outcome) -> str:
    if is_successful(outcome.result):
        return "it succeeds"
    match outcome.result.failure():
        case Retry(_, delay, error):
            return f"{type(error).__name__}, a retry in {delay} ms" if error is not None else f"again in {delay} ms"
        case Dead(error):
            return f"{type(error).__name__}, final"
        case _:
            return "it is dropped"
