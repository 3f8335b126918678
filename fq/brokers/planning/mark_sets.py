"""Setting marks: which of several operations can be written together, and which marks are as they expect. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from fq.brokers.records import ABSENT, ANYTHING, SetMarkOp


def in_parts(ops: Sequence[SetMarkOp], moved_down: set[str]) -> Iterator[list[SetMarkOp]]:
    """Yield *ops* in parts that can each be written together. An index with a bound is cut once, after the part."""
    part: list[SetMarkOp] = []
    keys = set(moved_down)
    for op in ops:
        if part and not _may_follow(op, part[-1], keys):
            yield part
            part = []
        part.append(op)
        keys.add(op.key)
    if part:
        yield part


def _may_follow(op: SetMarkOp, before: SetMarkOp, keys: set[str]) -> bool:
    """May *op* be written together with others, up to *before*? Not if it may move one of *keys* down, those of earlier ones among them."""
    if not op.most and not before.most:
        return True
    same_index = (op.index, op.most) == (before.index, before.most)
    return same_index and op.body is not None and before.body is not None and op.expected == ANYTHING and op.key not in keys


def decide(ops: Sequence[SetMarkOp], bodies: Mapping[str, bytes]) -> tuple[list[bool], list[SetMarkOp]]:
    """Return whether the mark of each of *ops*, in order, is as expected, given the *bodies* of marks that exist; and the ops to write, one a key."""
    after: dict[str, bytes | None] = dict(bodies)
    done: list[bool] = []
    latest: dict[str, SetMarkOp] = {}
    for op in ops:
        done.append(op.expected == ANYTHING or after.get(op.key) == (None if op.expected == ABSENT else op.expected))
        if done[-1]:
            after[op.key], latest[op.key] = op.body, op
    return done, list(latest.values())
