"""When the next child of a slot starts: children that die soon delay their replacements."""

from fq.worker.scoreboard import Scoreboard
from fq.worker.supervisor.child import ChildProcess
from fq.worker.supervisor.child_slot import MIN_LIFETIME_SECONDS, ChildSlot, restart_delay

NOW = 1_000.0


def child(started_at: float = NOW - 0.5, booted: bool = False) -> ChildProcess:
    scoreboard = Scoreboard(1)
    if booted:
        scoreboard.heartbeat(0)
    return ChildProcess(1, "w", scoreboard, started_at)


def test_the_pause_grows_to_an_end_however_many_have_died() -> None:
    pauses = [restart_delay(crashes) for crashes in (*range(12), 1_023, 1_024, 10**6)]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.0, MIN_LIFETIME_SECONDS)


def test_one_that_dies_young_makes_the_next_wait_and_one_that_has_lived_does_not() -> None:
    young, old = ChildSlot(child()), ChildSlot(child(started_at=NOW - 2 * MIN_LIFETIME_SECONDS), crashes=7)
    for slot in (young, old):
        assert slot.child is not None
        slot.child_exited(slot.child, NOW)

    assert not young.wants_child(NOW)
    assert young.wants_child(NOW + restart_delay(1))
    assert old.wants_child(NOW)


def test_one_that_was_killed_for_its_message_is_no_crash() -> None:
    slot = ChildSlot(killed := child())
    killed.interrupted = frozenset({"m1"})
    slot.child_exited(killed, NOW)

    assert slot.wants_child(NOW)


def test_a_successor_that_dies_young_makes_the_next_successor_wait() -> None:
    slot = ChildSlot(working := child(started_at=NOW - 60))
    for crashes in (1, 2, 3):
        slot.successor = child()
        slot.child_exited(slot.successor, NOW)

        assert not slot.wants_successor(working, NOW + restart_delay(crashes) - 0.01)
        assert slot.wants_successor(working, NOW + restart_delay(crashes))


def test_a_successor_takes_over_once_it_has_booted_and_what_went_before_is_forgotten() -> None:
    slot = ChildSlot(working := child(), child(), crashes=3)

    assert slot.hand_over() is None
    slot.successor = heir = child(booted=True)
    assert slot.hand_over() is working
    assert (slot.child, slot.successor, slot.crashes) == (heir, None, 0)


def test_a_successor_has_the_place_when_the_child_dies_before_it() -> None:
    slot = ChildSlot(working := child(), heir := child())
    slot.child_exited(working, NOW)

    assert (slot.child, slot.successor) == (heir, None)


def test_one_that_could_not_be_started_is_tried_again_after_a_pause() -> None:
    slot = ChildSlot()
    slot.start_failed(NOW)

    assert not slot.wants_child(NOW)
    assert slot.wants_child(NOW + restart_delay(1))


def test_the_exit_of_a_draining_child_changes_nothing() -> None:
    slot = ChildSlot(child())
    slot.child_exited(child(), NOW)

    assert slot.ready is False
    assert (slot.crashes, slot.start_at) == (0, 0.0)
