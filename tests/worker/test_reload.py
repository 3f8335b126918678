"""What one program leaves to the next one in the same process."""

import os

import pytest

from fq.worker.scoreboard import Board
from fq.worker.supervisor.child import Ward
from fq.worker.supervisor.reload import INHERITED, Legacy, inherited, is_replacing


def a_ward(**known: object) -> Ward:
    ward = Ward(os.getpid(), "host:1:2-3", Board(3), born=12.5)
    for name, value in known.items():
        setattr(ward, name, value)
    return ward


KNOWN = [{}, {"stopped": True}, {"continued": 99.5}, {"retired": True}, {"interrupted": frozenset({"m1", "m2"})}]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: ", ".join(known) or "nothing")
def test_all_that_is_known_of_a_child_is_passed_on(known: dict[str, object]) -> None:
    ward = a_ward(**known)
    ward.board.slot().enter("m1", 1.0, 2.0)
    (heir,) = Legacy.from_json(Legacy([ward]).to_json()).wards

    assert (heir.pid, heir.name, heir.born) == (ward.pid, ward.name, ward.born)
    assert (heir.stopped, heir.continued, heir.retired, heir.interrupted) == (ward.stopped, ward.continued, ward.retired, ward.interrupted)
    assert heir.board.read() == ward.board.read()


def test_so_are_the_quiet_and_how_many_children_there_have_been(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INHERITED, Legacy([], True, 17).to_json())

    assert is_replacing()
    assert inherited() == Legacy([], True, 17)
    assert not is_replacing()


def test_the_first_program_inherits_nothing() -> None:
    assert not is_replacing()
    assert inherited() == Legacy([], False, 0)
