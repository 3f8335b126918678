"""
Every broker against the model: any sequence of commands, the same for both, and after each of them nothing that can be seen may differ.

Time goes in steps of `UNIT`, and 10 ms pass between any two commands, so that nothing depends on which of two things of the same moment comes first,
nor on a real server's clock, which goes on by itself meanwhile.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fq.brokers.records import (
    ACK,
    MAX_CLAIM_BYTES,
    ArriveOp,
    Bury,
    ClaimRequest,
    Commit,
    DeferredEnqueue,
    Delivery,
    EnqueueOp,
    Release,
    Reschedule,
    StoreResultOp,
)
from fq.core.fault import Fault
from fq.execution.requeue_plan import plan_requeue
from tests.brokers import model as m
from tests.brokers.harness import Kind

UNIT = 100_000
TICK = 10

IDS = [f"m{number}" for number in range(5)]
QUEUES = ["qa", "qb"]
WORKERS = ["w1", "w2", "w3"]
SIZES = {"g1": 2, "g2": 1}  # all arrivals at a group give the same size
GROUPS = list(SIZES)
CHILDREN = [f"{name}-{kind}" for name in (*IDS[:3], *GROUPS) for kind in ("child", "then")]

ids = st.sampled_from(IDS)
queues = st.sampled_from(QUEUES)
workers = st.sampled_from(WORKERS)
units = st.integers(1, 3).map(lambda count: count * UNIT)
delays = st.one_of(st.just(0), units)
bodies = st.binary(max_size=6)
faults = st.builds(Fault, st.sampled_from(["ValueError", "TypeError"]), st.text(max_size=3))


def enqueue_ops(names: st.SearchStrategy[str]) -> st.SearchStrategy[EnqueueOp]:
    return st.builds(EnqueueOp, names, queues, st.just("act"), st.integers(-1, 1), delays, bodies, st.booleans())


def splices(group: str) -> st.SearchStrategy[DeferredEnqueue]:
    return st.builds(DeferredEnqueue, enqueue_ops(st.just(f"{group}-then")), bodies, bodies)


arrive_ops = st.sampled_from(GROUPS).flatmap(
    lambda group: st.builds(
        ArriveOp,
        st.just(group),
        st.integers(0, SIZES[group] - 1),
        st.just(SIZES[group]),
        bodies,
        st.lists(splices(group), max_size=1).map(tuple),
        st.just(4 * UNIT),
    )
)
HOLDS = {"m1": "g1", "m2": "g2", "m3": "g1"}  # a message is of one workflow, or of none
keeps = st.builds(lambda message_id, body, ttl: StoreResultOp(message_id, body, ttl, HOLDS.get(message_id, "")), ids, bodies, units)
operations = st.lists(st.one_of(enqueue_ops(st.sampled_from(CHILDREN)), keeps, arrive_ops), max_size=3).map(tuple)

# What becomes of a message; the post of a replacement gets the message's id when there is one.
dispositions = st.one_of(
    st.just(ACK),
    st.builds(
        Reschedule,
        st.builds(EnqueueOp, st.just(""), queues, st.just("again"), st.integers(-1, 1), units, bodies),
        st.one_of(st.none(), faults),
    ),
    st.builds(Bury, faults),
    st.builds(Release, st.booleans(), st.sampled_from(["", "shutdown"])),
)
outcomes = st.lists(st.tuples(st.integers(0, 4), dispositions, operations), min_size=1, max_size=4)
some_ids = st.lists(st.sampled_from(IDS + CHILDREN), max_size=3)


def waits_for(operation: object, groups: set[str]) -> bool:
    return isinstance(operation, StoreResultOp) and operation.hold in groups


class BrokerMachine(RuleBasedStateMachine):
    """A real broker, the model, and what each worker believes that it holds."""

    kind: Kind

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(ignore_cleanup_errors=True)
        self.harness = self.kind(Path(self.folder.name))
        self.brokers = [self.harness.broker(), self.harness.broker()]
        self.model = m.Model(self.brokers[0].now())
        self.claimed: dict[str, list[Delivery]] = {worker: [] for worker in WORKERS}
        self.tokens: set[tuple[str, int]] = set()
        self.untold: set[tuple[str, int]] = set()  # what has been cancelled while a claim held it, which has not been told yet
        self.calls = 0

    def teardown(self) -> None:
        self.harness.close()
        self.folder.cleanup()

    @property
    def broker(self):
        """One handle and the other in turn."""
        self.calls += 1
        return self.brokers[self.calls % len(self.brokers)]

    def tick(self, ms: int = TICK) -> None:
        self.harness.advance(ms)
        self.model = m.advance(self.model, ms)

    # Commands.

    @rule(new=st.lists(enqueue_ops(ids), min_size=1, max_size=3))
    def enqueue(self, new: list[EnqueueOp]) -> None:
        self.tick()
        assert self.broker.enqueue(new) == m.new_in(self.model, new)
        self.model = m.enqueue(self.model, new)

    @rule(new=st.lists(enqueue_ops(ids), min_size=1, max_size=3), worker=workers, chosen=outcomes, lease=units)
    def run(self, new: list[EnqueueOp], worker: str, chosen: list, lease: int) -> None:
        """The usual events: messages come, a worker claims them, and commits."""
        self.enqueue(new)
        self.tick()
        self.take_turn(worker, [], 3, QUEUES, lease)
        self.turn(worker, chosen, 1, QUEUES, lease)

    @rule(
        worker=workers,
        chosen=outcomes,
        limit=st.integers(0, 3),
        wanted=st.lists(queues, min_size=1, max_size=2, unique=True),
        lease=units,
        max_bytes=st.sampled_from([MAX_CLAIM_BYTES, 5, 0]),
    )
    def turn(self, worker: str, chosen: list, limit: int, wanted: list[str], lease: int, max_bytes: int = MAX_CLAIM_BYTES) -> None:
        self.tick()
        self.take_turn(worker, self.commits(worker, chosen), limit, wanted, lease, max_bytes)

    def take_turn(
        self, worker: str, commits: list[Commit], limit: int, wanted: list[str], lease: int = UNIT, max_bytes: int = MAX_CLAIM_BYTES
    ) -> None:
        turn = self.broker.turn(commits, ClaimRequest(worker, tuple(wanted), limit, lease, max_bytes))
        self.model = m.begin_turn(self.model, worker, wanted, lease)
        stale = []
        for commit in commits:
            after = m.apply(self.model, commit)
            stale += [commit.message_id] if after is None else []
            self.model = after or self.model
        self.model = m.take_back(self.model)
        told = {(name, self.model.messages[name].token) for name in m.claimed_by(self.model, worker)} & self.untold
        self.untold -= told
        self.check_claims(turn.deliveries, wanted, limit, max_bytes)
        self.model = m.claim(self.model, worker, {delivery.message_id: delivery.token for delivery in turn.deliveries})
        self.claimed[worker] += turn.deliveries

        assert set(turn.stale) == set(stale)
        assert {name for name, _ in told} <= set(turn.cancelled)
        due = m.next_due(self.model, worker)
        assert 0 <= turn.idle_for <= 60_000
        assert due is None or turn.idle_for <= due - self.model.now

    @rule(ms=units)
    def time_passes(self, ms: int) -> None:
        self.tick(ms)

    @rule(new=st.lists(enqueue_ops(ids), min_size=1, max_size=3), worker=workers, heir=workers)
    def a_lease_ends(self, new: list[EnqueueOp], worker: str, heir: str) -> None:
        """A worker claims and is not heard of again in time; another one takes over."""
        self.enqueue(new)
        self.take_turn(worker, [], 3, QUEUES)
        self.tick(UNIT)
        self.take_turn(heir, [], 3, QUEUES)

    @precondition(lambda self: self.zombies())
    @rule(data=st.data(), disposition=dispositions, operations=operations)
    def a_zombie_commits(self, data: st.DataObject, disposition, operations) -> None:
        self.tick()
        worker, delivery = data.draw(st.sampled_from(self.zombies()))
        self.take_turn(worker, [self.commit(delivery, disposition, operations)], 0, QUEUES)

    @rule(
        data=st.data(),
        act=st.sampled_from(["renew", "release", "requeue", "discard", "purge", "pause", "resume", "cancel", "cancel", "forget", "close"]),
    )
    def something_rare_happens(self, data: st.DataObject, act: str) -> None:
        self.tick()
        getattr(self, act)(data.draw)

    def renew(self, draw) -> None:
        names, lease = draw(st.lists(workers, unique=True, max_size=2)), draw(units)
        self.broker.renew(names, lease)
        self.model = m.renew(self.model, names, lease)

    def release(self, draw) -> None:
        worker, counted = draw(workers), draw(st.one_of(st.none(), some_ids))
        reasons = dict.fromkeys(draw(some_ids), "time_limit")

        assert self.broker.release(worker, reasons, counted) == len(m.claimed_by(self.model, worker))
        self.model = m.release(self.model, worker, reasons, counted)

    def requeue(self, draw) -> None:
        dead = sorted({letter.message_id for letter in m.letters(self.model)})
        names = draw(st.lists(st.sampled_from(dead + IDS[:2]), max_size=3))

        assert self.broker.requeue(names, plan_requeue) == len(set(dead) & set(names))
        self.model = m.requeue(self.model, names)

    def discard(self, draw) -> None:
        names = draw(some_ids)
        before, self.model = self.model, m.discard(self.model, names)
        gone = len(before.messages) - len(self.model.messages) + len(before.dead) - len(self.model.dead)

        assert self.broker.discard(names) == gone

    def purge(self, draw) -> None:
        queue = draw(queues)
        before, self.model = self.model, m.purge(self.model, queue)

        assert self.broker.purge(queue) == len(before.messages) - len(self.model.messages)

    def pause(self, draw) -> None:
        queue = draw(queues)
        self.broker.pause(queue)
        self.model = m.pause(self.model, queue)

    def resume(self, draw) -> None:
        for queue in QUEUES:
            self.broker.resume(queue)
            self.model = m.resume(self.model, queue)

    def cancel(self, draw) -> None:
        names, groups = draw(st.lists(st.sampled_from(IDS + CHILDREN), min_size=1, max_size=2)), draw(st.sets(st.sampled_from(GROUPS)))
        found = {name for name in names if name in self.model.messages}

        if groups or len(names) > 1:
            assert self.broker.cancel_all(names, sorted(groups)) == len(found)
        else:
            assert self.broker.cancel(names[0]) is bool(found)
        self.model = m.cancel_groups(self.model, groups)
        for name in found:
            self.model = m.cancel(self.model, name)
            if self.model.messages[name].runs:
                self.untold.add((name, self.model.messages[name].token))

    def forget(self, draw) -> None:
        """A worker crashes: it does not know what it holds."""
        self.claimed[draw(workers)] = []

    def close(self, draw) -> None:
        self.broker.close()

    # What commands need.

    def commits(self, worker: str, chosen: list) -> list[Commit]:
        """What *worker* commits: an outcome for some of the messages that it has ever claimed, and not forgotten, current or not."""
        held = self.claimed[worker]
        commits = [
            self.commit(held[-1 - which % len(held)], disposition, operations, place)
            for place, (which, disposition, operations) in enumerate(chosen)
            if held
        ]
        joined = {operation.group for commit in commits for operation in commit.operations if isinstance(operation, ArriveOp)}
        # That a result waits for a group which is complete a moment before, in the same turn, is nothing that a workflow does.
        commits = [
            evolve(commit, operations=tuple(filter(lambda operation: not waits_for(operation, joined), commit.operations)))
            for commit in commits
        ]
        if any(isinstance(operation, ArriveOp) and not operation.then for commit in commits for operation in commit.operations):
            # What comes after a group has an id of its own: it cannot run in the turn that posts it, and a broker that kept it need not look.
            return [commit for commit in commits if not commit.message_id.endswith("-then")]
        return commits

    def commit(self, delivery: Delivery, disposition, operations, place: int = 0) -> Commit:
        if isinstance(disposition, Reschedule):
            # A moment of its own for each, a little before a multiple of UNIT, so that its place in the order is clear.
            op = evolve(disposition.op, message_id=delivery.message_id, delay=disposition.op.delay - place - 1)
            disposition = evolve(disposition, op=op)
        return Commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, operations)

    def zombies(self) -> list[tuple[str, Delivery]]:
        """Workers that believe they hold a message which another claim holds now."""
        return [
            (worker, delivery)
            for worker in WORKERS
            for delivery in self.claimed[worker]
            if (message := self.model.messages.get(delivery.message_id)) and message.runs and message.token != delivery.token
        ]

    def check_claims(self, deliveries: tuple[Delivery, ...], wanted: list[str], limit: int, max_bytes: int) -> None:
        """The queues may come in any order; within each the order is fixed. Only the first that does not fit ends a claim."""
        ready = {queue: m.claimable(self.model, queue) for queue in wanted}
        total = sum(len(delivery.body) for delivery in deliveries)
        assert total <= max_bytes or len(deliveries) == 1
        if len(deliveries) < min(limit, sum(map(len, ready.values()))):
            claimed = {delivery.message_id for delivery in deliveries}
            left = [next((name for name in names if name not in claimed), None) for names in ready.values()]
            assert claimed, "the first message is claimed whatever its size"
            assert any(total + len(self.model.messages[name].op.body) > max_bytes for name in left if name is not None)
        assert len(deliveries) <= limit
        for queue in wanted:
            found = [delivery.message_id for delivery in deliveries if delivery.queue_name == queue]
            assert found == ready[queue][: len(found)]
        for delivery in deliveries:
            message = self.model.messages[delivery.message_id]
            assert delivery.queue_name in wanted
            assert (delivery.body, delivery.interrupted) == (message.op.body, m.interruption(message))
            assert delivery.deliveries == message.deliveries + 1
            assert (delivery.message_id, delivery.token) not in self.tokens, "a token was given twice"
            self.tokens.add((delivery.message_id, delivery.token))

    # Nothing that can be seen may differ.

    def same(self, found: int, expected: int) -> bool:
        return abs(found - expected) <= self.harness.slack

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


@pytest.mark.timeout(600)  # making a failure small may take 5 minutes
def test_a_broker_does_what_the_model_says(kind: Kind) -> None:
    """With FQ_EXAMPLES=1000 in the environment it looks for longer."""
    machine = type("Machine", (BrokerMachine,), {"kind": staticmethod(kind)})
    examples = int(os.environ.get("FQ_EXAMPLES", "12"))
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=checks)
    )
