"""Marks and counters."""

from collections.abc import Mapping

from attrs import evolve

from fq.brokers.counters import Count
from fq.brokers.records import ABSENT, ANYTHING, DUE, Mark, SetMarkOp
from tests.brokers.model.keys import place
from tests.brokers.model.records import Model


def mark(model: Model, key: str) -> Mark | None:
    found = model.marks.get(key)
    return found if found and (not found.until or found.until > model.now) else None


def listed(model: Model, index: str) -> list[Mark]:
    """The marks of *index*, in its order."""
    found = [each for each in model.marks.values() if each.index == index and mark(model, each.key)]
    return sorted(found, key=lambda each: (each.order, each.key))


def set_mark(model: Model, op: SetMarkOp) -> tuple[Model, bool]:
    """Carry out *op*, if its mark is as it expects."""
    found = mark(model, op.key)
    if op.expected != ANYTHING and (found is not None if op.expected == ABSENT else found is None or found.body != op.expected):
        return model, False
    marks = {key: each for key, each in model.marks.items() if key != op.key}
    if op.body is not None:
        marks[op.key] = Mark(op.key, op.body, model.now + op.ttl if op.ttl else 0, op.index, op.order)
    model = evolve(model, marks=marks)
    if op.body is not None and op.index and op.most:
        lost = {each.key for each in listed(model, op.index)[: -op.most]}
        model = evolve(model, marks={key: each for key, each in marks.items() if key not in lost})
    for then in op.then:
        model, _ = place(model, then)
    return model, True


def due_marks(model: Model) -> tuple[bool, int | None]:
    """Is a mark due, and when is the next one?"""
    orders = [each.order for each in listed(model, DUE)]
    return any(order <= model.now for order in orders), min((order for order in orders if order > model.now), default=None)


def add_count(model: Model, count: Count) -> Model:
    place = count.bucket, count.name
    return evolve(model, counters={**model.counters, place: model.counters.get(place, 0) + count.by})


def counts(model: Model) -> Mapping[str, Mapping[str, int]]:
    """All counters, by bucket and name."""
    buckets = {bucket for bucket, _ in model.counters}
    return {each: {name: total for (bucket, name), total in model.counters.items() if bucket == each} for each in buckets}
