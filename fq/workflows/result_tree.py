"""`ResultTree`: what the arrivals of a group add up to, by the shape of the group."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeAlias, cast

from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.core.fault import fault_data
from fq.errors import GroupFailed
from fq.workflows.nodes import end_count

Arrival: TypeAlias = Mapping[str, object] | Sequence[object]
"""The wire form of how a member ended: ``[value]``; or ``{"type": ..., "message": ...}`` of its failure, with ``by`` and ``depth``."""

MAX_NAMED_FAILURES = 5
"""How many failed members the text of `GroupFailed` names."""


@frozen
class ResultTree:
    """The members of a group: each an arrival, or the tree of an inner group. It *collects* failures if they stand among the results."""

    collects: bool
    members: tuple["Arrival | ResultTree", ...]

    @classmethod
    def of(cls, shape: Sequence[object], arrivals: Iterable[Arrival], depth: int = 1) -> "ResultTree":
        """Return the tree of a group of this *shape*, an `arrival_shape`, with its *arrivals* in order; it is *depth* groups deep."""
        left = iter(arrivals)
        members = tuple(member for part in shape[1:] for member in _members(part, left, depth))
        # What failed outside of a group kept it from starting: none of its members has a result to collect.
        began = all(isinstance(member, ResultTree) or failure_depth(member) >= depth for member in members)
        return cls(shape[0] == "collect" and began, members)

    def results(self) -> Result[list[object], GroupFailed]:
        """Return the results of the members, or what to raise in their place."""
        arrivals = [member.as_arrival() if isinstance(member, ResultTree) else member for member in self.members]
        failures = [arrival for arrival in arrivals if isinstance(arrival, Mapping)]
        if failures and not self.collects:
            return Failure(GroupFailed(_summary(failures, len(arrivals))))
        return Success([_collected(arrival) if isinstance(arrival, Mapping) else arrival[0] for arrival in arrivals])

    def as_arrival(self) -> Arrival:
        """Return this group as a member of the one around it."""
        results = self.results()
        return [results.unwrap()] if is_successful(results) else fault_data(results.failure())


def failure_depth(arrival: Arrival) -> float:
    """Return how many groups deep a failure happened, from the group at which it arrived on: 0 or less outside of it, infinite for a success."""
    return cast(int, arrival.get("depth", 1)) if isinstance(arrival, Mapping) else float("inf")


def _members(part: object, arrivals: Iterator[Arrival], depth: int) -> Iterator[Arrival | ResultTree]:
    """Yield the members that *part* of a shape stands for: a number of calls, or one inner group."""
    own = list(islice(arrivals, end_count(part)))
    if isinstance(part, int):
        yield from own
    elif own and failure_depth(own[0]) <= depth:
        yield own[0]  # of a step before the inner group: all arrivals of that report it
    else:
        yield ResultTree.of(cast("Sequence[object]", part), own, depth + 1)


def _collected(failure: Mapping[str, object]) -> dict[str, object]:
    return {name: failure.get(name, "") for name in ("type", "message")}


def _summary(failures: Sequence[Mapping[str, object]], members: int) -> str:
    texts = [
        f"{failure.get('by', 'a group')}: {failure.get('type')}: {failure.get('message')}" for failure in failures[:MAX_NAMED_FAILURES]
    ]
    more = [f"and {len(failures) - MAX_NAMED_FAILURES} more"] if len(failures) > MAX_NAMED_FAILURES else []
    return f"{len(failures)} of {members} members failed: {'; '.join(texts + more)}"
