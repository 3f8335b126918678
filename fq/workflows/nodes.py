"""
The steps of a pipeline as they travel in messages: JSON, called *nodes*. Continue with ``fq.workflows.pipeline``.

A node is a call, ``{"actor_name": "add", "args": [1]}``, or a group, ``{"members": [pipeline, ...]}``, whose members run at the same time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias, cast

from fq.core.derived_ids import child_id
from fq.core.reserved_options import PIPE
from fq.errors import OptionError

WireNode: TypeAlias = Mapping[str, object]
Pipeline: TypeAlias = Sequence[WireNode]

Shape: TypeAlias = int | list[object]
"""How members nest: a number stands for that many calls in a row, a list for a group inside."""


def as_pipeline(written: object) -> Pipeline:
    """
    Return the pipeline that is *written* in JSON: a list of nodes; a single one may be written as the node itself.

    Raises:
        OptionError: anything else.
    """
    nodes = (written,) if isinstance(written, Mapping) else written
    if not isinstance(nodes, list | tuple) or not all(isinstance(node, Mapping) for node in nodes):
        raise OptionError(f"{PIPE}: found {written!r}, expected a list of calls and groups")
    return nodes


def is_group(node: WireNode) -> bool:
    """Is *node* a group?"""
    return "members" in node


def members(group: WireNode) -> tuple[Pipeline, ...]:
    """Return the pipelines of the members of *group*."""
    found = group["members"]
    if not isinstance(found, list | tuple):
        raise OptionError(f"{PIPE}: found the members {found!r}, expected a list of pipelines")
    return tuple(map(as_pipeline, found))


def callbacks(group: WireNode) -> Pipeline:
    """Return the calls that get the results of *group*, besides what comes after it."""
    return as_pipeline(group.get("callbacks", ()))


def is_empty(pipeline: Pipeline) -> bool:
    """Does *pipeline* have nothing to run, only groups without members?"""
    return all(is_group(node) and all(map(is_empty, members(node))) for node in pipeline)


def empty_value(pipeline: Pipeline) -> list[object]:
    """Return the result of an empty *pipeline*: an empty list, or a list of such lists."""
    return [empty_value(member) for member in members(pipeline[-1])]


def arrival_shape(group: WireNode) -> list[object]:
    """
    Return how the arrivals of *group* nest: its policy, then the `end_shape` of each member.

    >>> arrival_shape({"members": [{"actor_name": "a"}, {"actor_name": "b"}, {"members": [{"actor_name": "c"}], "policy": "collect"}]})
    ['fail', 2, ['collect', 1]]
    """
    return [group.get("policy", "fail"), *_summed(map(end_shape, members(group)))]


def end_shape(pipeline: Pipeline) -> Shape:
    """Return the shape of what arrives at the end of *pipeline*: 1, or that of its last group; before an empty group, the last message arrives."""
    last = pipeline[-1]
    if not is_group(last) or (is_empty((last,)) and not is_empty(pipeline)):
        return 1
    return arrival_shape(last)


def end_count(shape: object) -> int:
    """Return how many ends, each of which arrives, *shape* stands for: an `arrival_shape` or an `end_shape`."""
    return sum(map(end_count, shape[1:])) if isinstance(shape, list) else cast(int, shape)


def start_shape(pipeline: Pipeline) -> Shape:
    """
    Return which messages start *pipeline*: 1 for a call; for a group, the list of the `start_shape` of each member.

    >>> start_shape([{"members": [{"actor_name": "a"}, {"actor_name": "b"}, {"members": [{"actor_name": "c"}]}]}, {"actor_name": "d"}])
    [2, [1]]
    """
    return list(_summed(map(start_shape, members(pipeline[0])))) if is_group(pipeline[0]) else 1


def _summed(shapes: Iterable[Shape]) -> Iterator[Shape]:
    """Yield *shapes*, numbers in a row as their sum."""
    for kind, run in groupby(shapes, type):
        if kind is int:
            yield sum(cast("Iterator[int]", run))
        else:
            yield from run


def start_ids(shape: object, message_id: str) -> Iterator[str]:
    """Return the ids of the messages that start a pipeline of this `start_shape` under *message_id*."""
    if not isinstance(shape, list | tuple):
        yield message_id
        return
    at = 0
    for part in shape:
        for inner in [1] * part if isinstance(part, int) else [part]:
            yield from start_ids(inner, child_id(message_id, at))
            at += 1


def result_ids(pipeline: Pipeline, message_id: str) -> Iterator[str]:
    """Return the ids under which the results at the end of *pipeline* are stored, if its first node has the id *message_id*."""
    for _ in pipeline[1:]:
        message_id = child_id(message_id, "pipe")
    if is_group(pipeline[-1]):
        for at, member in enumerate(members(pipeline[-1])):
            yield from result_ids(member, child_id(message_id, at))
    else:
        yield message_id
