"""What the state machine compares after each command: nothing that can be seen may differ from the model."""

from itertools import combinations
from operator import attrgetter

from attrs import evolve
from hypothesis.stateful import RuleBasedStateMachine, invariant

from fq.brokers.browsing import BrowsedState
from fq.brokers.protocol import Broker
from fq.brokers.records import Mark, Placement
from fq.brokers.redis.shards.routing import grouped
from tests.brokers import model as m
from tests.brokers.draws import CHILDREN, IDS, INDEXES, KEYS, MARKS, QUEUES, UNIT
from tests.brokers.harness import Harness
from tests.brokers.shard_fit import Fit

STATES: list[BrowsedState] = ["ready", "delayed", "retrying", "running", "dead"]


class Comparisons(RuleBasedStateMachine):
    """A broker and its model, compared after each command."""

    harness: Harness
    fit: Fit
    model: m.Model
    calls: int

    @property
    def broker(self) -> Broker:
        """A handle on the store."""
        raise NotImplementedError

    def same(self, found: int, expected: int) -> bool:
        """Where the clock goes by itself, a machine that has the processor to share may take long: times are multiples of `UNIT`."""
        return abs(found - expected) <= (UNIT // 2 if self.harness.slack else 0)

    def precedes(self, one: m.Message, other: m.Message) -> bool:
        """Shards have no common order, and what comes into one of them at the same time comes in any order."""
        if self.fit.shards == 1:
            return m.precedes(one, other)
        places = (one.op.priority, one.due), (other.op.priority, other.due)
        return self.fit.shard_of(one.op.message_id) == self.fit.shard_of(other.op.message_id) and places[0] < places[1]

    def same_message(self, found: Placement, expected: Placement) -> bool:
        """Of several that have ended, any may stand for a key that only its window holds."""
        return found == expected or {found.message_id, expected.message_id}.isdisjoint(self.model.messages)

    @invariant()
    def every_message_is_where_the_model_says(self) -> None:
        broker = self.broker
        for message_id in IDS + CHILDREN:
            found, expected = broker.status(message_id), m.status(self.model, message_id)
            assert self.same(found.due, expected.due)
            assert evolve(found, due=expected.due) == expected
            assert broker.result(message_id) == m.result(self.model, message_id)

    @invariant()
    def every_queue_holds_what_the_model_says(self) -> None:
        found = {queue.queue_name: queue for queue in self.broker.queues()}
        assert self.model.queues <= set(found) <= self.model.queues | self.model.paused | set(QUEUES)
        for name in self.model.queues:
            expected = m.queue(self.model, name)
            assert self.same(found[name].oldest, expected.oldest)
            assert evolve(found[name], oldest=expected.oldest) == expected

    @invariant()
    def every_dead_letter_is_what_the_model_says(self) -> None:
        found, expected = self.broker.dead_letters(), m.letters(self.model)
        if self.fit.shards > 1:
            found, expected = sorted(found, key=attrgetter("message_id")), sorted(expected, key=attrgetter("message_id"))
        assert [evolve(letter, died_at=0) for letter in found] == [evolve(letter, died_at=0) for letter in expected]
        assert all(self.same(a.died_at, b.died_at) for a, b in zip(found, expected, strict=True))

    @invariant()
    def every_worker_has_the_lease_that_the_model_says(self) -> None:
        found = {worker.worker: worker for worker in self.broker.workers() if worker.lease_left > 0}
        expected = {name: until - self.model.now for name, until in self.model.leases.items() if until > self.model.now}
        assert found.keys() == expected.keys()
        for name, worker in found.items():
            assert self.same(worker.lease_left, expected[name])
            assert worker.in_flight == len(m.claimed_by(self.model, name))
            assert worker.queues == tuple(sorted(self.model.wanted[name]))

    @invariant()
    def every_mark_is_what_the_model_says(self) -> None:
        broker = self.broker
        found = broker.marks(MARKS)
        assert found.keys() == {key for key in MARKS if m.mark(self.model, key)}
        assert all(self.same_mark(each, m.mark(self.model, key)) for key, each in found.items())
        for index in filter(None, INDEXES):
            expected = m.listed(self.model, index)
            latest_first = self.calls % 2 == 0
            first = broker.marks_in(index, limit=2, latest_first=latest_first)
            after = (first[-1].order, first[-1].key) if first else None
            rest = broker.marks_in(index, after=after, latest_first=latest_first)
            assert [each.key for each in first + rest] == [each.key for each in expected][:: -1 if latest_first else 1]
            assert len(expected) <= broker.count_marks(index) <= sum(each.index == index for each in self.model.marks.values())

    def same_mark(self, found: Mark, expected: Mark) -> bool:
        alike = evolve(found, until=expected.until, order=expected.order) == expected
        exact = expected.index == "recent" and found.order != expected.order
        return alike and not exact and self.same(found.until, expected.until) and self.same(found.order, expected.order)

    @invariant()
    def the_pages_of_each_state_show_what_the_model_says(self) -> None:
        """One state after each command, by pages of one to four."""
        wanted = STATES[self.calls % len(STATES)]
        places, entries, after = m.shown(self.model, wanted), [], None
        while after != "":
            page = self.broker.browse(wanted, after=after or "", limit=1 + self.calls % 4)
            entries, after = [*entries, *page.entries], page.after
        found = [entry.status.message_id for entry in entries]
        assert sorted(found) == sorted(places)
        for group in grouped(found, self.fit.shard_of).values():
            assert [places[each] for each in group] == sorted(places[each] for each in group)
        if wanted == "ready":
            shown = [self.model.messages[each] for each in found]
            assert not any(self.precedes(later, one) for one, later in combinations(shown, 2) if one.op.queue_name == later.op.queue_name)
        for entry in entries:
            expected = m.entry(self.model, entry.status.message_id)
            if expected.status.state == entry.status.state:  # else a letter has the id of another message
                assert self.same(entry.since, expected.since)
                assert self.same(entry.status.due, expected.status.due)
                assert evolve(entry, since=expected.since, status=evolve(entry.status, due=expected.status.due)) == expected

    @invariant()
    def no_key_is_held_twice(self) -> None:
        held = m.holders(self.model)
        assert len(held) == len(set(held)) <= 2 * len(KEYS) * self.fit.shards
