"""What a child writes on its scoreboard is what its supervisor reads there."""

import os
from collections.abc import Iterator

import pytest

from fq.worker.scoreboard import RunningMessage, Scoreboard, Snapshot


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    made = Scoreboard(2)
    yield made
    made.close()


def test_a_new_one_says_that_the_child_has_not_booted(scoreboard: Scoreboard) -> None:
    assert scoreboard.read() == Snapshot(0.0, 0, ())


def test_each_slot_says_what_runs_in_its_thread(scoreboard: Scoreboard) -> None:
    one, two = scoreboard.slot(), scoreboard.slot()
    one.set_running("m1", 1.0, 2.0)
    two.set_running("m2", 3.0, float("inf"))
    assert set(scoreboard.read().running) == {RunningMessage("m1", 1.0, 2.0), RunningMessage("m2", 3.0, float("inf"))}

    one.clear()
    assert scoreboard.read().running == (RunningMessage("m2", 3.0, float("inf")),)


@pytest.mark.parametrize("message_id", ["m" * 300, "ü" * 100, "\ud800"], ids=["long", "wide", "lone surrogate"])
def test_any_id_leaves_the_other_slots_alone(scoreboard: Scoreboard, message_id: str) -> None:
    one, two = scoreboard.slot(), scoreboard.slot()
    two.set_running("m2", 3.0, 4.0)
    one.set_running(message_id, 1.0, 2.0)

    assert RunningMessage("m2", 3.0, 4.0) in scoreboard.read().running
    assert len(scoreboard.read().running) == 2


def test_a_program_that_has_the_descriptor_reads_the_same(scoreboard: Scoreboard) -> None:
    scoreboard.heartbeat(17)
    scoreboard.slot().set_running("m1", 1.0, 2.0)
    other = Scoreboard.reopen(os.dup(scoreboard.descriptor))

    assert other.read() == scoreboard.read()
    assert other.read().finished == 17
    other.close()


def test_a_fork_no_longer_writes_on_it(scoreboard: Scoreboard) -> None:
    slot = scoreboard.slot()
    scoreboard.detach()
    slot.set_running("m1", 1.0, 2.0)
    slot.clear()
    slot.set_running("m1", 1.0, 2.0)

    assert scoreboard.read().running == ()


def test_stacks_behind_the_slots_do_not_change_how_many_there_are(scoreboard: Scoreboard) -> None:
    scoreboard.clear_stacks()
    scoreboard.write_stacks("x" * 1_000)
    again = Scoreboard.reopen(os.dup(scoreboard.descriptor))
    again.slot().set_running("m1", 1.0, 2.0)

    assert scoreboard.read().running == (RunningMessage("m1", 1.0, 2.0),)
    assert again.read_stacks() == ("", "x" * 1_000)
    again.close()


def test_a_scoreboard_of_an_older_fq_has_as_many_slots_as_fit(scoreboard: Scoreboard) -> None:
    os.pwrite(scoreboard.descriptor, b"\0\0", 16)
    again = Scoreboard.reopen(os.dup(scoreboard.descriptor))
    again.slot()
    again.slot().set_running("m2", 1.0, 2.0)

    assert len(scoreboard.read().running) == 1
    again.close()
