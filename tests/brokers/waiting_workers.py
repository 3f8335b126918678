"""What the state machine does with workers that wait."""

from collections.abc import Callable

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from fq.brokers.records import ClaimRequest, EnqueueOp
from tests.brokers import model as m
from tests.brokers.comparisons import Comparisons
from tests.brokers.draws import QUEUES, UNIT, enqueue_ops, ids, workers


class WaitingWorkers(Comparisons):
    """Workers that have nothing to do when a message comes: a broker may claim it for them."""

    tick: Callable[[], None]
    take_turn: Callable[..., None]

    @precondition(lambda self: not m.due_marks(self.model)[0])
    @rule(
        op=enqueue_ops(ids),
        worker=workers,
        limit=st.integers(0, 2),
        hears=st.booleans(),
        wanted=st.sampled_from([QUEUES, QUEUES[:1]]),
        dead=st.booleans(),
    )
    def a_message_finds_its_worker_waiting(
        self, op: EnqueueOp, worker: str, limit: int, hears: bool, wanted: list[str], dead: bool
    ) -> None:
        """The worker may not hear of it, may want nothing by then, or only of another queue; and it may die."""
        self.tick()
        broker, other = self.broker, self.broker
        self.take_turn(worker, [], 20, QUEUES, broker=broker)
        broker.wait(ClaimRequest(worker, tuple(QUEUES), 1, UNIT), 0)
        with self.harness.deafness(broker, dead or not hears):
            self.model, expected = m.place_all(self.model, [evolve(op, unique=None, delay=0)])
            assert other.enqueue([evolve(op, unique=None, delay=0)]) == sum(each.is_new for each in expected)
            self.harness.await_publication(worker)
            if dead:
                broker.release(worker, {}, ())
                self.model = m.release(self.model, worker, {}, ())
            self.take_turn(worker, [], limit, wanted, broker=broker)
        self.take_turn(worker, [], 20, QUEUES, broker=broker)
        self.take_turn(worker, [], 0, QUEUES, broker=broker)
        broker.close()  # it waits no more
