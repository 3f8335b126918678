"""What the state machine does when replies are lost."""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from fq.brokers.records import ClaimRequest, Commit, Continue, EnqueueOp
from fq.errors import BrokerUnavailable
from tests.brokers import model as m
from tests.brokers.comparisons import Comparisons
from tests.brokers.draws import QUEUES, UNIT, dated_commit, enqueue_ops, ids, outcomes, workers


class LostReplies(Comparisons):
    """Turns that are applied although their workers hear of an error."""

    run: Callable[[list[EnqueueOp], str, list, int], None]
    tick: Callable[[], None]
    commits: Callable[[str, list], list[Commit]]

    @precondition(lambda self: self.harness.loses_replies)
    @rule(new=st.lists(enqueue_ops(ids), min_size=1, max_size=3), worker=workers, chosen=outcomes, again=st.integers(1, 2))
    def a_reply_is_lost(self, new: list[EnqueueOp], worker: str, chosen: list, again: int) -> None:
        """A turn is applied, but its worker hears of an error: it asks whether the broker is there, and repeats its commits one by one."""
        self.run(new, worker, [], UNIT)
        self.tick()
        broker, request = self.broker, ClaimRequest(worker, tuple(QUEUES), 0, UNIT)
        current = {commit.message_id: commit for commit in self.commits(worker, chosen) if self.is_current(commit)}
        dates = [dated_commit(commit, broker.now()) for commit in current.values()]
        with self.harness.lost_replies(broker):
            for _ in range(again):
                with pytest.raises(BrokerUnavailable):
                    broker.turn(dates, request)
        self.model = m.begin_turn(self.model, worker, QUEUES, UNIT)
        stale = set()
        for commit in current.values():
            after = m.apply(self.model, dated_commit(commit, self.model.now))
            stale |= {commit.message_id} if after is None else set()
            self.model = after or self.model
        self.model = m.take_back(self.model)
        found = [broker.turn(commits, request).stale for commits in ([], *([commit] for commit in dates))]

        assert found == [(), *((commit.message_id,) if commit.message_id in stale else () for commit in dates)]

    def is_current(self, commit: Commit) -> bool:
        message = self.model.messages.get(commit.message_id)
        ends = not isinstance(commit.disposition, Continue)
        return ends and message is not None and message.runs and message.token == commit.token
