"""SQLite: what a turn did to a file that was moved meanwhile is reported once the file is back."""

from pathlib import Path

import pytest
from attrs import evolve

from fq.brokers import SqliteBroker
from fq.brokers.sqlite import turn_recovery
from fq.brokers.sqlite.turn import TurnResult, run_turn
from tests.brokers.builders import LEASE_MS, claim, claim_one, claim_request, commit, enqueue_ops, ids, outcome
from tests.brokers.sqlite.database_files import move, others, refusal

pytestmark = pytest.mark.usefixtures("at_once")


def moves_once(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let the file be moved while the next turn is applied to it."""

    def take_and_move(*arguments: object) -> TurnResult:
        monkeypatch.setattr(turn_recovery, "run_turn", run_turn)
        taken = run_turn(*arguments)
        move(path, "aside.db")
        return taken

    monkeypatch.setattr(turn_recovery, "run_turn", take_and_move)


def test_what_a_turn_did_to_a_file_that_was_moved_meanwhile_is_heard_of_once_it_is_back(
    path: Path, broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.enqueue(enqueue_ops("a", "b", "c", "d"))
    a, b = claim(broker, limit=2)
    late = evolve(b, token=b.token - 1)
    moves_once(monkeypatch, path)
    refusal(lambda: broker.turn([outcome(a), outcome(late)], claim_request(limit=1)))
    refusal(lambda: broker.turn([outcome(a), outcome(late)], claim_request(limit=1)))
    move(path.with_name("aside.db"), "jobs.db")
    turn = broker.turn([outcome(a), outcome(late)], claim_request(limit=1))
    again = broker.turn([outcome(a)], claim_request(limit=0))

    assert turn.stale == ("b",), "that one was too late, and the other was applied"
    assert ids(turn.deliveries) == ["c", "d"], "what the worker holds without having heard of it, and what it claims now"
    assert (again.stale, again.deliveries) == (("a",), ())
    assert commit(broker, turn.deliveries[0]) == ()


def test_what_a_turn_claimed_in_a_file_that_was_moved_meanwhile_is_no_more_its_workers_if_its_lease_has_run_out(
    path: Path, broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.enqueue(enqueue_ops("a"))
    moves_once(monkeypatch, path)
    refusal(lambda: claim(broker))
    move(path.with_name("aside.db"), "jobs.db")
    other = others(path)
    other.clock.advance(LEASE_MS + 1)
    assert ids(claim(other, "w2")) == ["a"]

    assert claim(broker) == ()
    other.close()


def test_another_file_knows_nothing_of_the_turn_before(path: Path, broker: SqliteBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    broker.enqueue(enqueue_ops("a", "b"))
    a = claim_one(broker)
    moves_once(monkeypatch, path)
    refusal(lambda: broker.turn([outcome(a)], claim_request(limit=1)))
    other = others(path)
    other.enqueue(enqueue_ops("c"))
    turn = broker.turn([outcome(a)], claim_request(limit=5))

    assert (turn.stale, ids(turn.deliveries)) == (("a",), ["c"])
    other.close()
