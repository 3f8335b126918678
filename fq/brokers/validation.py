"""
What the brokers written here agree on: which posts can be kept, what a name can be, in which order a turn visits its queues, how a splice is made.

Pure functions. A broker of your own may use them or not.
"""

from collections.abc import Iterable, Sequence

from attrs import evolve

from fq.brokers.records import ArriveOp, ClaimRequest, Commit, DeferredEnqueue, EnqueueOp, Operation, Reschedule, StoreResultOp
from fq.errors import BrokerError, ConfigError

LONGEST = 2**52
"""The longest delay and the longest ttl, in ms: some 142,000 years; the sum with the clock is exact even in a double."""

PRIORITIES = 2**31
"""Priorities lie from minus this to this, exclusive."""

NAME = "a text that is not empty, without NUL and lone surrogates"
UNDONE = "nothing of this call was applied"

DEAD_TTL_MS = 7 * 24 * 60 * 60 * 1000
"""How long dead letters are kept unless told otherwise: 7 days, in ms."""


def group_ttl(join: ArriveOp, complete: bool) -> int:
    """
    Return for how long, in ms, the group of *join* is remembered after it: an arrival that made it *complete*, or did not.

    One that is complete no longer than dead letters, which an operator may let arrive again.
    """
    return min(join.ttl, DEAD_TTL_MS) if complete else join.ttl


def check_posts(posts: Iterable[EnqueueOp]) -> None:
    """
    Let *posts* pass if every one of them can be kept.

    Raises:
        BrokerError: one cannot; names it, what was found and what was expected. Nothing of the call may be applied then.
    """
    for post in posts:
        if not (
            type(post.body) is bytes
            and type(post.priority) is type(post.delay) is int
            and -PRIORITIES < post.priority < PRIORITIES
            and 0 <= post.delay < LONGEST
            and type(post.message_id) is type(post.queue_name) is type(post.actor_name) is str
            and (post.message_id and post.message_id.isprintable())
            and (post.queue_name and post.queue_name.isprintable())
            and (post.actor_name and post.actor_name.isprintable())
        ):
            _check_each_field(post)


def _check_each_field(post: EnqueueOp) -> None:
    """`check_posts` for the few that a quick look does not clear, with what is wrong."""
    _check_bytes(post.message_id, "body", post.body)
    if type(post.priority) is not int or not -PRIORITIES < post.priority < PRIORITIES:
        raise _refusal(post.message_id, "priority", post.priority, f"a whole number from -{PRIORITIES - 1} to {PRIORITIES - 1}")
    _check_duration(post.message_id, "delay", post.delay)
    for name, text in (("message_id", post.message_id), ("queue_name", post.queue_name), ("actor_name", post.actor_name)):
        _check_text(post.message_id, name, text)


def check_commits(commits: Iterable[Commit]) -> None:
    """
    Let *commits* pass if everything that they would have kept can be.

    Raises:
        BrokerError: see `check_posts`.
    """
    for commit in commits:
        if type(commit.disposition) is Reschedule:
            check_posts((commit.disposition.post,))
        for change in commit.changes:
            _check_change(change)


def check_names(kind: str, *names: object) -> None:
    """
    Let *names* pass if every one of them can be one: of a queue, an actor, a worker, or the id of a message; *kind* is what to call them.

    Raises:
        BrokerError: one cannot; says what was found and what was expected. Nothing of the call may be applied then.
    """
    for name in names:
        if not _is_name(name):
            raise BrokerError(f"found {kind}={name!r}, expected {NAME}; {UNDONE}")


def check_search(**names: str | None) -> None:
    """Let *names* pass, by what to call them, where they are given; raises as `check_names` does."""
    for kind, name in names.items():
        if name is not None:
            check_names(kind, name)


def check_want(want: ClaimRequest) -> None:
    """Let *want* pass if what it names can be names; raises as `check_names` does."""
    check_names("worker", want.worker)
    check_names("queue", *want.queues)


def _check_change(change: Operation) -> None:
    if isinstance(change, EnqueueOp):
        check_posts((change,))
    elif isinstance(change, StoreResultOp):
        _check_text(change.message_id, "message_id", change.message_id)
        _check_bytes(change.message_id, "body", change.body)
        _check_duration(change.message_id, "ttl", change.ttl)
        if change.hold:
            _check_text(change.message_id, "hold", change.hold)
    else:
        _check_join(change)


def _check_join(join: ArriveOp) -> None:
    _check_text(join.group, "group", join.group)
    for name, found, least in (("member", join.member, 0), ("size", join.size, 1)):
        if type(found) is not int or not least <= found < LONGEST:
            raise _refusal(join.group, name, found, f"a whole number from {least} to {LONGEST - 1}")
    _check_bytes(join.group, "value", join.value)
    _check_duration(join.group, "ttl", join.ttl)
    for splice in join.then:
        check_posts((splice.post,))
        _check_bytes(splice.post.message_id, "head", splice.head)
        _check_bytes(splice.post.message_id, "tail", splice.tail)
        _check_bytes(splice.post.message_id, "rest", splice.rest)


def _check_bytes(whose: str, name: str, value: object) -> None:
    if type(value) is not bytes:
        raise _refusal(whose, name, value, "bytes")


def _check_duration(whose: str, name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value < LONGEST:
        raise _refusal(whose, name, value, f"ms, a whole number from 0 to {LONGEST - 1}")


def check_settings(**durations: object) -> None:
    """Raise `ConfigError` unless each of *durations*, which a broker is made with, is one."""
    for name, found in durations.items():
        if type(found) is not int or not 0 <= found < LONGEST:
            raise ConfigError(f"found {name}={found!r}, expected ms, a whole number from 0 to {LONGEST - 1}; seven days are {DEAD_TTL_MS}")


def _check_text(whose: str, name: str, value: object) -> None:
    if not _is_name(value):
        raise _refusal(whose, name, value, NAME)


def _is_name(value: object) -> bool:
    return type(value) is str and value != "" and (value.isprintable() or _is_sound(value))


def _is_sound(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _refusal(whose: object, name: str, found: object, expected: str) -> BrokerError:
    return BrokerError(f"{whose!r}: found {name}={found!r}, expected {expected}; {UNDONE}")


def rotate(queues: Sequence[str], turns: int) -> list[str]:
    """
    Return *queues* in the order in which turn number *turns* of a worker visits them: each in its turn comes first, so that no full one starves the rest.

    >>> rotate(("a", "b", "c"), 1)
    ['b', 'c', 'a']
    """
    distinct = list(dict.fromkeys(queues))
    first = turns % len(distinct) if distinct else 0
    return distinct[first:] + distinct[:first]


def resolve_deferred(splice: DeferredEnqueue, values: Iterable[bytes], now: int) -> EnqueueOp:
    """
    Return the post of *splice*, with *values*, in order, and the time *now* in its body.

    >>> resolve_deferred(DeferredEnqueue(EnqueueOp("m1", "default", "report", 0, 0, b""), b"{args:", b",at:", b"}"), [b"1", b"2"], 7).body
    b'{args:[1,2],at:7}'
    """
    time = b"%d" % now if splice.rest else b""
    return evolve(splice.post, body=splice.head + b"[" + b",".join(values) + b"]" + splice.tail + time + splice.rest)
