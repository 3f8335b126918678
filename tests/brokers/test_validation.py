"""A commit is validated once: the mark that says so belongs to the records that were validated, and to no others."""

import pytest
from attrs import evolve
from returns.result import Success

from fq.brokers import MemoryBroker
from fq.brokers.records import Commit, StoreResultOp
from fq.brokers.validation import check_commits, checked
from fq.core.outcome import Outcome, Store
from fq.errors import BrokerError
from fq.execution.outcome_encoding import encode_outcome
from tests.brokers.builders import claim_one, claim_request, enqueue_op, outcome, state

REFUSED = StoreResultOp("m", b"", -1)


def test_an_encoded_outcome_is_not_validated_again() -> None:
    broker = MemoryBroker()
    broker.enqueue([enqueue_op("m")])
    commit = encode_outcome(claim_one(broker), Outcome.success(1).also(Store("m", Success(1), 60_000)), lambda enqueue: enqueue)

    assert commit.checked
    assert commit == Commit("m", "q", commit.token, commit.disposition, commit.operations)


def test_records_that_cannot_be_kept_get_no_mark() -> None:
    commit = Commit("m", "q", 1, operations=(REFUSED,))
    with pytest.raises(BrokerError):
        checked(commit)

    assert not commit.checked


def test_a_commit_that_is_changed_is_validated_again() -> None:
    broker = MemoryBroker()
    broker.enqueue([enqueue_op("m")])
    changed = evolve(checked(outcome(claim_one(broker))), operations=(REFUSED,))
    with pytest.raises(BrokerError):
        broker.turn([changed], claim_request(limit=0))

    assert state(broker, "m") == "running"


def test_a_mark_is_what_spares_the_validation() -> None:
    commit = Commit("m", "q", 1, operations=(REFUSED,))
    object.__setattr__(commit, "checked", True)

    check_commits([commit])
