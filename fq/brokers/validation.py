"""
Rules that fq's brokers share: which records can be kept, what a name may be, in which order a turn visits its queues, how a deferred enqueue gets its body.

Pure functions. A broker of your own may use them.
"""

from collections.abc import Iterable, Sequence

from attrs import evolve

from fq.brokers.counters import Count
from fq.brokers.records import (
    ABSENT,
    ANYTHING,
    MAX_KEY_BYTES,
    ArriveOp,
    ClaimRequest,
    Commit,
    DeferredEnqueue,
    EnqueueOp,
    Operation,
    Reschedule,
    SetMarkOp,
    StoreResultOp,
    UniqueKey,
)
from fq.errors import MAX_DURATION_MS, BrokerError, ConfigError

MAX_PRIORITY = 2**31 - 1
"""The highest priority; the lowest is minus this."""

MAX_EXACT_INTEGER = 2**53
"""The highest number that all brokers keep exactly."""

NAME_RULE = "a text that is not empty, without NUL and lone surrogates"
NOTHING_APPLIED = "nothing of this call was applied"

DEAD_TTL_MS = 7 * 24 * 60 * 60 * 1000
"""The default time that dead letters are kept: 7 days, in ms."""


def group_ttl(arrive_op: ArriveOp, complete: bool) -> int:
    """
    Return how long, in ms, a group is kept after *arrive_op*, an arrival that made it *complete* or not.

    A complete group is kept no longer than dead letters, since an operator may requeue its members until then.
    """
    return min(arrive_op.ttl, DEAD_TTL_MS) if complete else arrive_op.ttl


def check_enqueue_ops(ops: Iterable[EnqueueOp]) -> bool:
    """
    Accept *ops* if every one of them can be kept, and return whether any has a unique key.

    Raises:
        BrokerError: one cannot be; names it, what was found and what was expected. Nothing of the call may be applied then.
    """
    any_unique = False
    for op in ops:
        if not (
            type(op.body) is bytes
            and type(op.priority) is type(op.delay) is int
            and -MAX_PRIORITY <= op.priority <= MAX_PRIORITY
            and 0 <= op.delay <= MAX_DURATION_MS
            and type(op.message_id) is type(op.queue_name) is type(op.actor_name) is str
            and (op.message_id and op.message_id.isprintable())
            and (op.queue_name and op.queue_name.isprintable())
            and (op.actor_name and op.actor_name.isprintable())
        ):
            _check_each_field(op)
        if op.unique is not None:
            check_unique_key(op.message_id, op.unique)
            any_unique = True
    return any_unique


def _check_each_field(op: EnqueueOp) -> None:
    """Check *op* field by field, and say what is wrong. `check_enqueue_ops` calls it only when its quick check fails."""
    _check_bytes(op.message_id, "body", op.body)
    if type(op.priority) is not int or not -MAX_PRIORITY <= op.priority <= MAX_PRIORITY:
        raise _refusal(op.message_id, "priority", op.priority, f"a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}")
    _check_duration(op.message_id, "delay", op.delay)
    for name, text in (("message_id", op.message_id), ("queue_name", op.queue_name), ("actor_name", op.actor_name)):
        _check_text(op.message_id, name, text)


def check_commits(commits: Iterable[Commit]) -> None:
    """
    Accept *commits* if all records in them can be kept.

    Raises:
        BrokerError: see `check_enqueue_ops`.
    """
    for commit in commits:
        if commit.checked:
            continue
        if type(commit.disposition) is Reschedule:
            check_enqueue_ops((commit.disposition.op,))
        for operation in commit.operations:
            _check_operation(operation)


def checked(commit: Commit) -> Commit:
    """Return *commit*, marked so that no broker checks it again; raises as `check_commits` does. The records in it must be immutable."""
    check_commits((commit,))
    object.__setattr__(commit, "checked", True)  # the mark is not part of its value
    return commit


def check_names(kind: str, *names: object) -> None:
    """
    Accept *names* if every one of them may name a queue, an actor, a worker or a message; *kind* says which, for the error.

    Raises:
        BrokerError: one may not; says what was found and what was expected. Nothing of the call may be applied then.
    """
    for name in names:
        if not _is_name(name):
            raise BrokerError(f"found {kind}={name!r}, expected {NAME_RULE}; {NOTHING_APPLIED}")


def check_heartbeat(workers: Iterable[str], reports: Iterable[SetMarkOp], asked: Iterable[str]) -> None:
    """
    Check what `Broker.renew` is called with.

    Raises:
        BrokerError: a name or a mark that cannot be kept, or a report that enqueues something.
    """
    check_names("worker", *workers)
    check_keys(asked)
    for report in reports:
        check_set_mark_op(report)
        if report.then:
            raise _refusal(report.key, "then", report.then, "no messages in a heartbeat")


def check_search(**names: str | None) -> None:
    """Check those *names*, given by their kind, that are not None; raises as `check_names` does."""
    for kind, name in names.items():
        if name is not None:
            check_names(kind, name)


def check_claim_request(request: ClaimRequest) -> None:
    """Check the names in *request*; raises as `check_names` does."""
    check_names("worker", request.worker)
    check_names("queue", *request.queues)


def _check_operation(operation: Operation) -> None:
    if isinstance(operation, StoreResultOp):  # first, since nearly all commits have one
        _check_text(operation.message_id, "message_id", operation.message_id)
        _check_bytes(operation.message_id, "body", operation.body)
        _check_duration(operation.message_id, "ttl", operation.ttl)
        if operation.hold:
            _check_text(operation.message_id, "hold", operation.hold)
    elif isinstance(operation, EnqueueOp):
        check_enqueue_ops((operation,))
    elif isinstance(operation, SetMarkOp):
        check_set_mark_op(operation)
    else:
        _check_arrive_op(operation)


def _check_arrive_op(arrive_op: ArriveOp) -> None:
    _check_text(arrive_op.group, "group", arrive_op.group)
    for name, found, least in (("member", arrive_op.member, 0), ("size", arrive_op.size, 1)):
        if type(found) is not int or not least <= found <= MAX_DURATION_MS:
            raise _refusal(arrive_op.group, name, found, f"a whole number from {least} to {MAX_DURATION_MS}")
    _check_bytes(arrive_op.group, "value", arrive_op.value)
    _check_duration(arrive_op.group, "ttl", arrive_op.ttl)
    for deferred in arrive_op.then:
        check_enqueue_ops((deferred.op,))
        if deferred.op.unique is not None:
            raise _refusal(
                deferred.op.message_id, "unique", deferred.op.unique, "None: what follows a group would be lost if its key were held"
            )
        _check_bytes(deferred.op.message_id, "head", deferred.head)
        _check_bytes(deferred.op.message_id, "tail", deferred.tail)
        _check_bytes(deferred.op.message_id, "rest", deferred.rest)


def check_key(key: object) -> None:
    """
    Accept *key* as the key of a mark or a unique message: a name of `MAX_KEY_BYTES` at most.

    Raises:
        BrokerError: it is not one.
    """
    if not _is_name(key) or len(str(key).encode()) > MAX_KEY_BYTES:
        shown = repr(key) if len(repr(key)) <= 100 else f"{repr(key)[:100]}… of {len(str(key))} characters"
        raise BrokerError(f"found key={shown}, expected {NAME_RULE}, of {MAX_KEY_BYTES} bytes at most; {NOTHING_APPLIED}")


def check_keys(keys: Iterable[object]) -> None:
    """Check each of *keys*; raises as `check_key` does."""
    for key in keys:
        check_key(key)


def check_unique_key(whose: str, unique: UniqueKey) -> None:
    """Check *unique*, of the message *whose*; raises as `check_key` does."""
    check_key(unique.key)
    for name, found, expected in (("until", unique.until, ("start", "end")), ("on_conflict", unique.on_conflict, ("keep", "after"))):
        if found not in expected:
            raise _refusal(whose, name, found, " or ".join(map(repr, expected)))
    _check_duration(whose, "window", unique.window)
    _check_duration(whose, "max_wait", unique.max_wait)


def check_set_mark_op(op: SetMarkOp) -> None:
    """Check *op*; raises as `check_key` does."""
    check_key(op.key)
    if op.body is not None:
        _check_bytes(op.key, "body", op.body)
    if op.expected not in (ABSENT, ANYTHING):
        _check_bytes(op.key, "expected", op.expected)
    if op.index:
        check_key(op.index)
    _check_duration(op.key, "ttl", op.ttl)
    for name, found in (("order", op.order), ("most", op.most)):
        if type(found) is not int or not 0 <= found <= MAX_EXACT_INTEGER:
            raise _refusal(op.key, name, found, f"a whole number from 0 to {MAX_EXACT_INTEGER}")
    check_enqueue_ops(op.then)


def check_counts(counts: Iterable[Count]) -> None:
    """Check *counts*; raises as `check_key` does."""
    for each in counts:
        check_key(each.bucket)
        check_key(each.name)
        if type(each.by) is not int or not -MAX_EXACT_INTEGER <= each.by <= MAX_EXACT_INTEGER:
            raise _refusal(each.name, "by", each.by, f"a whole number from -{MAX_EXACT_INTEGER} to {MAX_EXACT_INTEGER}")
        _check_duration(each.name, "ttl", each.ttl)


def _check_bytes(whose: str, name: str, value: object) -> None:
    if type(value) is not bytes:
        raise _refusal(whose, name, value, "bytes")


def _check_duration(whose: str, name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value <= MAX_DURATION_MS:
        raise _refusal(whose, name, value, f"ms, a whole number from 0 to {MAX_DURATION_MS}")


def check_settings(**durations: object) -> None:
    """Raise `ConfigError` unless each of *durations*, settings of a broker, is a duration in ms."""
    for name, found in durations.items():
        if type(found) is not int or not 0 <= found <= MAX_DURATION_MS:
            raise ConfigError(
                f"found {name}={found!r}, expected ms, a whole number from 0 to {MAX_DURATION_MS}; seven days are {DEAD_TTL_MS}"
            )


def _check_text(whose: str, name: str, value: object) -> None:
    if not _is_name(value):
        raise _refusal(whose, name, value, NAME_RULE)


def _is_name(value: object) -> bool:
    return type(value) is str and value != "" and (value.isprintable() or _is_sound(value))


def _is_sound(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _refusal(whose: object, name: str, found: object, expected: str) -> BrokerError:
    return BrokerError(f"{whose!r}: found {name}={found!r}, expected {expected}; {NOTHING_APPLIED}")


def rotate(queues: Sequence[str], turns: int) -> list[str]:
    """
    Return *queues* in the order in which turn number *turns* of a worker visits them. Each comes first in its turn, so a full queue does not starve the rest.

    >>> rotate(("a", "b", "c"), 1)
    ['b', 'c', 'a']
    """
    distinct = list(dict.fromkeys(queues))
    first = turns % len(distinct) if distinct else 0
    return distinct[first:] + distinct[:first]


def resolve_deferred(deferred: DeferredEnqueue, values: Iterable[bytes], now: int) -> EnqueueOp:
    """
    Return the enqueue that *deferred* stands for, with *values*, in order, and the time *now* in its body.

    >>> resolve_deferred(DeferredEnqueue(EnqueueOp("m1", "default", "report", 0, 0, b""), b"{args:", b",at:", b"}"), [b"1", b"2"], 7).body
    b'{args:[1,2],at:7}'
    """
    time = b"%d" % now if deferred.rest else b""
    return evolve(deferred.op, body=deferred.head + b"[" + b",".join(values) + b"]" + deferred.tail + time + deferred.rest)
