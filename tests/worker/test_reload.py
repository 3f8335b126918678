"""What one program hands over to the next one in the same process."""

import json
import os

import pytest

from fq.worker.scoreboard import Scoreboard
from fq.worker.supervisor.child import ChildProcess
from fq.worker.supervisor.reload import HANDOVER, HandoverState, inherited_state, is_replacing


def a_child(**known: object) -> ChildProcess:
    child = ChildProcess(os.getpid(), "host:1:2-3", Scoreboard(3), started_at=12.5)
    for name, value in known.items():
        setattr(child, name, value)
    return child


KNOWN = [{}, {"stopped": True}, {"continued_at": 99.5}, {"draining": True}, {"interrupted": frozenset({"m1", "m2"})}]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: ", ".join(known) or "nothing")
def test_all_that_is_known_of_a_child_is_passed_on(known: dict[str, object]) -> None:
    child = a_child(**known)
    child.scoreboard.slot().set_running("m1", 1.0, 2.0)
    (heir,) = HandoverState.from_json(HandoverState([child]).to_json()).children

    assert (heir.pid, heir.name, heir.started_at) == (child.pid, child.name, child.started_at)
    assert (heir.stopped, heir.continued_at, heir.draining, heir.interrupted) == (
        child.stopped,
        child.continued_at,
        child.draining,
        child.interrupted,
    )
    assert heir.scoreboard.read() == child.scoreboard.read()


def test_so_are_the_quiet_and_how_many_children_there_have_been(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HANDOVER, HandoverState([], True, 17).to_json())

    assert is_replacing()
    assert inherited_state() == HandoverState([], True, 17)
    assert not is_replacing()


def test_the_first_program_inherits_nothing() -> None:
    assert not is_replacing()
    assert inherited_state() == HandoverState([], False, 0)


def test_an_upgrade_by_a_reload_hands_children_over_to_the_other_version() -> None:
    text = HandoverState([a_child(draining=True)], True, 17).to_json()

    fields = json.loads(text)
    assert (fields["quiet"], fields["born"]) == (True, 17)
    assert fields["wards"][0]["plain"] == {
        "pid": os.getpid(),
        "name": "host:1:2-3",
        "born": 12.5,
        "stopped": False,
        "continued": 0.0,
        "retired": True,
    }
