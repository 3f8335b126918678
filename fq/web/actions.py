"""What a person can do to messages, queues, schedules and workers: `CHANGES` names the actions, `perform` does one. Each is an event, and a line in the log."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from fq.app.audit import audit
from fq.app.worker_processes import chosen, order, worker_processes
from fq.runtime.logger import logger

if TYPE_CHECKING:
    from fq.app.app import App

log = logger("fq.web")

BATCH_SIZE = 1_000
"""How many messages are changed in one step, at most."""


Apply: TypeAlias = Callable[["App", Sequence[str], str], int]


@frozen
class Change:
    """
    An action.

    Attributes:
        label: what its button says.

        done: what it has done, after a number of things.

        of: the things that it changes: ``"message"``, ``"dead letter"``, ``"queue"``, ``"schedule"``, ``"worker"`` or ``"worker process"``.

        apply: does it to things of these names, for a person, and returns how many it changed.

        asks: must a person confirm it, even for one thing?
    """

    label: str
    done: str
    of: str
    apply: Apply
    asks: bool = False


def cancel(app: "App", message_ids: Sequence[str], groups: Sequence[str] = ()) -> int:
    """Cancel messages, and what follows *groups*; return how many of the messages wait or run."""
    return app.broker.cancel_all(message_ids, groups)


def _simple(apply: Callable[["App", Sequence[str]], int]) -> Apply:
    """Return *apply* for any person."""
    return lambda app, names, _: apply(app, names)


def _each(call: Callable[["App", str], object]) -> Apply:
    """Return a function that calls *call* for each name."""

    def apply(app: "App", names: Sequence[str], _: str) -> int:
        for name in names:
            call(app, name)
        return len(names)

    return apply


def _to_workers(action: str) -> Apply:
    """Return a function that orders workers to do *action*."""
    return lambda app, names, who: order(app, who, action, chosen(worker_processes(app.broker), names))


CHANGES: Mapping[str, Change] = {
    "requeue": Change("Requeue", "requeued", "dead letter", _simple(lambda app, ids: app.requeue(ids))),
    "cancel": Change("Cancel", "cancelled", "message", _simple(cancel), asks=True),
    "discard": Change("Discard", "deleted", "message", _simple(lambda app, ids: app.broker.discard(ids)), asks=True),
    "run_now": Change("Run now", "made ready", "message", _simple(lambda app, ids: app.broker.run_now(ids))),
    "pause": Change("Pause", "paused", "queue", _each(lambda app, name: app.broker.pause(name))),
    "resume": Change("Resume", "resumed", "queue", _each(lambda app, name: app.broker.resume(name))),
    "purge": Change("Purge", "deleted", "message", _simple(lambda app, names: sum(map(app.broker.purge, names))), asks=True),
    "pause_schedule": Change("Pause", "paused", "schedule", _each(lambda app, name: app.schedules.pause(name))),
    "resume_schedule": Change("Resume", "resumed", "schedule", _each(lambda app, name: app.schedules.resume(name))),
    "run_schedule": Change("Run now", "run", "schedule", _each(lambda app, name: app.schedules.run_now(name))),
    "remove_schedule": Change("Remove", "removed", "schedule", _each(lambda app, name: app.schedules.remove(name)), asks=True),
    "quiet_worker": Change("Quiet", "asked to claim nothing", "worker", _to_workers("quiet_worker")),
    "resume_worker": Change("Resume", "asked to claim again", "worker", _to_workers("resume_worker")),
    "stop_worker": Change("Stop", "asked to stop", "worker", _to_workers("stop_worker"), asks=True),
    "stacks": Change("Stacks", "asked where its threads are", "worker process", _to_workers("stacks")),
}
"""The actions that change things by their names."""


def perform(app: "App", who: str, action: str, names: Iterable[str], groups: Sequence[str] = ()) -> int:
    """
    Do *action* to things of these *names*, for *who*, and return how many were changed. What follows *groups* is cancelled, too.

    Messages are changed in batches, queues and schedules one by one: if one cannot be changed, the audit tells of those before.
    """
    apply = _simple(partial(cancel, groups=groups)) if action == "cancel" else CHANGES[action].apply
    count, left = 0, iter(dict.fromkeys(names))
    size = 1 if CHANGES[action].of in ("queue", "schedule") else BATCH_SIZE
    while batch := tuple(islice(left, size)):
        changed = apply(app, batch, who)
        audit(app, log, who, action, batch, changed)
        count += changed
    return count
