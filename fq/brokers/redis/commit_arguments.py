"""Commits as the arguments that ``lua/turn.lua`` reads after its header. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from attrs import Factory, define, frozen

from fq.brokers.records import (
    OPEN_GROUP_TTL_MS,
    Ack,
    ArriveOp,
    Bury,
    Commit,
    Continue,
    EnqueueOp,
    Operation,
    Release,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
    UniqueKey,
)
from fq.brokers.redis.script_arguments import Argument, ScriptArguments
from fq.brokers.redis.stored_records import fault_text
from fq.brokers.validation import group_ttl

DONE, RESCHEDULED, LEFT, RUNNING = 0, 1, 2, 3
"""The parts of `CommitsOfQueue`: messages that are gone, those whose record is replaced, those that are buried or handed back, and those that go on."""


@define
class CommitsOfQueue:
    """
    The commits of one queue, which is number *number* of the call. Mutable.

    *ids* and *tokens* are by part. *results* are, by ttl, of messages that are done with nothing but a result: index, key, body.
    """

    number: int
    ids: tuple[list[str], list[str], list[str], list[str]] = Factory(lambda: ([], [], [], []))
    tokens: tuple[list[int], list[int], list[int], list[int]] = Factory(lambda: ([], [], [], []))
    results: dict[int, list[Argument]] = Factory(dict)

    def add(self, call: ScriptArguments, commit: Commit, extra: "list[ExtraOps]") -> None:
        """Add *commit*, and what it says beyond its id and token to *extra*."""
        kind, operations = type(commit.disposition), commit.operations
        part = DONE if kind is Ack else RESCHEDULED if kind is Reschedule else RUNNING if kind is Continue else LEFT
        self.ids[part].append(commit.message_id)
        self.tokens[part].append(commit.token)
        if part == DONE and len(operations) == 1 and type(op := operations[0]) is StoreResultOp and _is_plain(op, commit):
            run = self.results.setdefault(max(1, op.ttl), [])
            run += (len(self.ids[DONE]), call.add_key(call.keys.result(op.message_id)), op.body)
        elif operations or part:
            extra.append(ExtraOps(self, part, len(self.ids[part]), _write_commit(call, commit)))

    def position(self, part: int, index: int) -> int:
        """Return the position among all commits of the queue of number *index* of one of its parts."""
        return sum(len(ids) for ids in self.ids[:part]) + index


@frozen
class ExtraOps:
    """The disposition and operations of a commit, and which it is: *part* and *index* of those of its queue."""

    commits: CommitsOfQueue
    part: int
    index: int
    arguments: list[Argument]


def write_commits(call: ScriptArguments, commits: Sequence[Commit]) -> list[Argument]:
    """Return the arguments of *commits*, which are one batch."""
    queues: dict[str, CommitsOfQueue] = {}
    extra: list[ExtraOps] = []
    for commit in commits:
        queue = queues.get(commit.queue_name)
        if queue is None:
            queue = queues[commit.queue_name] = CommitsOfQueue(len(queues) + 1)
        queue.add(call, commit, extra)
    return [*_write_fences(call, queues), *_write_results(queues), *_write_extra(extra), *call.groups.values()]


def _is_plain(op: StoreResultOp, commit: Commit) -> bool:
    """Is *op* the result of the message of *commit*, and waits for no group?"""
    return op.message_id == commit.message_id and not op.hold


def _write_fences(call: ScriptArguments, queues: Mapping[str, CommitsOfQueue]) -> Iterator[Argument]:
    yield len(queues)
    for name, commits in queues.items():
        done, rescheduled, left, running = map(len, commits.ids)
        ended = done + rescheduled + left
        yield from (call.queue_number(name), ended + running, done, done + rescheduled, ended)
        yield from chain(*commits.ids, *commits.tokens)


def _write_results(queues: Mapping[str, CommitsOfQueue]) -> Iterator[Argument]:
    yield sum(len(commits.results) for commits in queues.values())
    for commits in queues.values():
        for ttl, run in commits.results.items():
            yield from (commits.number, ttl, len(run) // 3)
            yield from run


def _write_extra(extra: Sequence[ExtraOps]) -> Iterator[Argument]:
    yield len(extra)
    for ops in extra:
        yield from (len(ops.arguments) + 2, ops.commits.number, ops.commits.position(ops.part, ops.index))
        yield from ops.arguments


def _write_commit(call: ScriptArguments, commit: Commit) -> list[Argument]:
    arguments: list[Argument]
    match commit.disposition:
        case Ack():
            arguments = ["ack"]
        case Reschedule(post, fault):
            arguments = ["reschedule", fault_text(fault), *call.post(post), post.body]
        case Bury(fault):
            arguments = ["bury", fault_text(fault)]
        case Release(counted, interrupted):
            arguments = ["release", int(counted), interrupted.replace("\0", "")]
        case Continue():
            arguments = ["go_on"]
    for operation in commit.operations:
        arguments += _write_operation(call, operation)
    return arguments


def _write_operation(call: ScriptArguments, operation: Operation) -> tuple[Argument, ...]:
    match operation:
        case StoreResultOp(message_id, body, ttl, hold):
            result = (call.add_key(call.keys.result(message_id)), max(1, ttl), message_id, body)
            return ("hold", *result, OPEN_GROUP_TTL_MS, call.group_number(hold)) if hold else ("store", *result)
        case EnqueueOp(unique=UniqueKey()):
            return ("place", int(operation.continues), *call.unique_post(operation))
        case SetMarkOp():
            return ("mark", *call.mark(operation))
        case EnqueueOp():
            return ("continue" if operation.continues else "enqueue", *call.post(operation), operation.message_id, operation.body)
        case ArriveOp(group, member, size, value, then, ttl):
            followups = [argument for followup in then for argument in call.followup(followup)]
            ttls = ttl, group_ttl(operation, True)
            return ("arrive", call.group_number(group), member, size, value, *ttls, len(then), *followups)
