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
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from fq.brokers.protocol import Broker
from fq.brokers.records import (
    MAX_CLAIM_BYTES,
    ArriveOp,
    ClaimRequest,
    Commit,
    Delivery,
    EnqueueOp,
    Reschedule,
    SetMarkOp,
    UniqueKey,
)
from fq.brokers.requeue import RequeuePlan
from fq.execution.requeue_plan import plan_requeue
from tests.brokers import model as m
from tests.brokers.draws import (
    CHILDREN,
    GROUPS,
    IDS,
    QUEUES,
    TICK,
    UNIT,
    WORKERS,
    bodies,
    counts,
    dated,
    dated_commit,
    dispositions,
    enqueue_ops,
    ids,
    listings,
    mark_ops,
    maybe_unique,
    operations,
    outcomes,
    queues,
    some_ids,
    units,
    waits_for,
    workers,
)
from tests.brokers.harness import Kind
from tests.brokers.keyed_messages import UniqueKeys
from tests.brokers.lost_replies import LostReplies
from tests.brokers.shard_fit import Fit
from tests.brokers.waiting_workers import WaitingWorkers


class BrokerMachine(LostReplies, WaitingWorkers, UniqueKeys):
    """A real broker, the model, and what each worker believes that it holds."""

    kind: Kind

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(ignore_cleanup_errors=True)
        self.harness = self.kind(Path(self.folder.name))
        self.fit, self.brokers = Fit(self.harness.shards), [self.harness.broker(), self.harness.broker()]
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
        new, broker = list(map(self.fit.op, new)), self.broker
        self.model, expected = m.place_all(self.model, new)
        if self.calls % 3:
            found = broker.place(new)
            assert [each.is_new for each in found] == [each.is_new for each in expected]
            assert all(map(self.same_message, found, expected))
        else:
            assert broker.enqueue(new) == sum(each.is_new for each in expected)

    @rule(ops=st.lists(mark_ops, min_size=1, max_size=3))
    def set_marks(self, ops: list[SetMarkOp]) -> None:
        self.tick()
        ops, broker, done = self.fit.operations(ops), self.broker, []
        now = broker.now()
        for op in ops:
            self.model, fits = m.set_mark(self.model, dated(op, self.model.now))
            done.append(fits)

        assert broker.set_marks([dated(op, now) for op in ops]) == tuple(done)

    @rule(ops=st.lists(listings, min_size=3, max_size=5))
    def shuffle_marks(self, ops: list[SetMarkOp]) -> None:
        """Marks come into a bounded index and move in it, so that each op of one call may cut it."""
        self.set_marks(ops)

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
        self,
        worker: str,
        commits: list[Commit],
        limit: int,
        wanted: list[str],
        lease: int = UNIT,
        max_bytes: int = MAX_CLAIM_BYTES,
        broker: Broker | None = None,
    ) -> None:
        broker = broker or self.broker
        dates = [dated_commit(commit, broker.now()) for commit in commits]
        turn = broker.turn(dates, ClaimRequest(worker, tuple(wanted), limit, lease, max_bytes))
        self.model = m.begin_turn(self.model, worker, wanted, lease)
        stale = []
        for commit in commits:
            after = m.apply(self.model, dated_commit(commit, self.model.now))
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
        due = m.next_due(self.model, worker, wanted)
        assert 0 <= turn.idle_for <= 60_000
        assert due is None or turn.idle_for <= due - self.model.now
        assert turn.idle_for > 0 or m.next_due(self.model, worker, QUEUES) is not None, (
            "nothing is due later: a mark that is due already keeps no worker busy"
        )
        assert turn.has_due_marks == m.due_marks(self.model)[0]

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
        act=st.sampled_from(
            [
                *("renew", "release", "requeue", "discard", "purge", "pause", "resume", "cancel", "cancel", "forget", "close"),
                *("replace", "replace", "run_now", "count"),
            ]
        ),
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
        self.requeue_as({name: draw(maybe_unique) for name in draw(st.lists(st.sampled_from(dead + IDS[:2]), max_size=3))})

    def requeue_as(self, keys: dict[str, UniqueKey | None]) -> None:
        """Requeue dead letters, each with its key."""
        keys = {name: self.fit.unique(name, key) for name, key in keys.items()}
        dead, names = {letter.message_id for letter in m.letters(self.model)}, list(keys)

        def plan(message_ids, view, now) -> RequeuePlan:
            planned = plan_requeue(message_ids, view, now)
            return evolve(planned, enqueues=tuple(evolve(op, unique=keys[op.message_id]) for op in planned.enqueues))

        before, letters = self.model, {letter.op.message_id: letter.op for letter in self.model.dead if letter.op.message_id in dead}
        self.model = m.requeue(before, [evolve(letters[name], delay=0, unique=keys[name]) for name in names if name in letters])

        assert self.broker.requeue(names, plan) == len(before.dead) - len(self.model.dead)

    def replace(self, draw) -> None:
        op = draw(enqueue_ops(st.sampled_from([*self.model.messages] or IDS)))
        found = self.model.messages.get(op.message_id)
        expected = draw(st.one_of(st.none(), bodies if found is None else st.just(found.op.body), bodies))
        self.replace_one(op, expected)

    def replace_one(self, op: EnqueueOp, expected: bytes | None) -> None:
        after = m.replace(self.model, op := self.fit.op(op), expected)

        assert self.broker.replace(op, expected) is (after is not None)
        self.model = after or self.model

    def run_now(self, draw) -> None:
        names = draw(some_ids)
        before, self.model = self.model, m.run_now(self.model, names)

        assert self.broker.run_now(names) == sum(not message.runs for name, message in before.messages.items() if name in names)

    def count(self, draw) -> None:
        added = draw(st.lists(counts, max_size=3))
        self.broker.count(added)
        for each in added:
            self.model = m.add_count(self.model, each)

        assert self.broker.counts(["m:1", "m:2"]) == m.counts(self.model)

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
        commits = self.fit.commits(commits, self.model)
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
            # A moment of its own for each, before a multiple of UNIT by far more than a turn takes, which may be several calls of a server whose clock
            # goes on: so its place in the order is clear.
            op = evolve(disposition.op, message_id=delivery.message_id, delay=disposition.op.delay - (place + 1) * UNIT // 10)
            disposition = evolve(disposition, op=op)
        return Commit(delivery.message_id, delivery.queue_name, delivery.token, disposition, self.fit.operations(operations))

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
        total = sum(len(delivery.body) for delivery in deliveries)
        assert total <= max_bytes or len(deliveries) == 1
        if len(deliveries) < min(limit, sum(len(m.claimable(self.model, queue)) for queue in wanted)):
            claimed = {delivery.message_id for delivery in deliveries}
            left = [name for queue in wanted for name in m.claimed_next(self.model, queue, claimed, self.precedes)]
            assert claimed, "the first message is claimed whatever its size"
            assert any(total + len(self.model.messages[name].op.body) > max_bytes for name in left)
        assert len(deliveries) <= limit
        for queue in wanted:
            found = [delivery.message_id for delivery in deliveries if delivery.queue_name == queue]
            for place, name in enumerate(found):
                assert name in m.claimed_next(self.model, queue, found[:place], self.precedes)
        for delivery in deliveries:
            message = self.model.messages[delivery.message_id]
            assert delivery.queue_name in wanted
            assert (delivery.body, delivery.interrupted) == (message.op.body, m.interruption(message))
            assert delivery.deliveries == message.deliveries + 1
            assert (delivery.message_id, delivery.token) not in self.tokens, "a token was given twice"
            self.tokens.add((delivery.message_id, delivery.token))


@pytest.mark.timeout(600)  # making a failure small may take 5 minutes
def test_a_broker_does_what_the_model_says(kind: Kind) -> None:
    """With FQ_EXAMPLES=1000 in the environment it looks for longer."""
    machine = type("Machine", (BrokerMachine,), {"kind": staticmethod(kind)})
    examples = int(os.environ.get("FQ_EXAMPLES", "12"))
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=checks)
    )
