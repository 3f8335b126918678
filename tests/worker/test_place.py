"""Who has a place, and when the next comes: children that die young make the next wait, wherever they were."""

from fq.worker.scoreboard import Board
from fq.worker.supervisor.child import Ward
from fq.worker.supervisor.child_slot import YOUNG, Place, pause

NOW = 1_000.0


def ward(born: float = NOW - 0.5, booted: bool = False) -> Ward:
    board = Board(1)
    if booted:
        board.beat(0)
    return Ward(1, "w", board, born)


def test_the_pause_grows_to_an_end_however_many_have_died() -> None:
    pauses = [pause(crashes) for crashes in (*range(12), 1_023, 1_024, 10**6)]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.0, YOUNG)


def test_one_that_dies_young_makes_the_next_wait_and_one_that_has_lived_does_not() -> None:
    young, old = Place(ward()), Place(ward(born=NOW - 2 * YOUNG), crashes=7)
    for place in (young, old):
        assert place.ward is not None
        place.lost(place.ward, NOW)

    assert not young.wants_child(NOW)
    assert young.wants_child(NOW + pause(1))
    assert old.wants_child(NOW)


def test_one_that_was_killed_for_its_message_is_no_crash() -> None:
    place = Place(killed := ward())
    killed.interrupted = frozenset({"m1"})
    place.lost(killed, NOW)

    assert place.wants_child(NOW)


def test_a_successor_that_dies_young_makes_the_next_successor_wait() -> None:
    place = Place(working := ward(born=NOW - 60))
    for crashes in (1, 2, 3):
        place.successor = ward()
        place.lost(place.successor, NOW)

        assert not place.wants_successor(working, NOW + pause(crashes) - 0.01)
        assert place.wants_successor(working, NOW + pause(crashes))


def test_a_successor_takes_over_once_it_has_booted_and_what_went_before_is_forgotten() -> None:
    place = Place(working := ward(), ward(), crashes=3)

    assert place.hand_over() is None
    place.successor = heir = ward(booted=True)
    assert place.hand_over() is working
    assert (place.ward, place.successor, place.crashes) == (heir, None, 0)


def test_a_successor_has_the_place_when_the_child_dies_before_it() -> None:
    place = Place(working := ward(), heir := ward())
    place.lost(working, NOW)

    assert (place.ward, place.successor) == (heir, None)


def test_one_that_could_not_be_started_is_tried_again_after_a_pause() -> None:
    place = Place()
    place.missed(NOW)

    assert not place.wants_child(NOW)
    assert place.wants_child(NOW + pause(1))


def test_who_has_retired_is_none_of_its_business() -> None:
    place = Place(ward())
    place.lost(ward(), NOW)

    assert place.ready is False
    assert (place.crashes, place.start_at) == (0, 0.0)
