"""What the supervisor makes of a child, as a function of what is known of it."""

import pytest
from attrs import evolve

from fq.worker.scoreboard import Reading, Running
from fq.worker.settings import WorkerSettings
from fq.worker.supervisor.child import Facts, overran, verdict

NOW = 1_000.0
SETTINGS = WorkerSettings(heartbeat=1_000, hard_limit_grace=5_000, max_tasks_per_child=100, max_memory_per_child=50)
LEASES = 3 * SETTINGS.lease / 1_000
"""Three leases, in seconds."""

BUSY = Running("m1", started=NOW - 60, deadline=NOW + 60)
FRESH = Facts(Reading(pulse=NOW - 0.1, finished=5, running=()), NOW, memory=10, stopped=False)


def known(reading: Reading, **more: object) -> Facts:
    return evolve(FRESH, reading=reading, **more)


def test_a_child_that_gives_signs_of_life_is_well() -> None:
    assert verdict(FRESH, SETTINGS) == "well"
    assert verdict(known(Reading(NOW - 0.1, 5, (BUSY,))), SETTINGS) == "well"


@pytest.mark.parametrize("settings", [SETTINGS, evolve(SETTINGS, heartbeat=60_000)])
def test_one_that_has_not_booted_is_waited_for_until_the_boot_timeout_and_for_three_leases_at_least(settings: WorkerSettings) -> None:
    limit = max(settings.boot_timeout, 3 * settings.lease) / 1_000
    unborn = known(Reading(0.0, 0, ()), born=NOW - limit)

    assert verdict(evolve(unborn, born=NOW - limit + 0.1), settings) == "well"
    assert verdict(evolve(unborn, born=NOW - limit - 0.1), settings) == "never booted"
    assert verdict(evolve(unborn, born=NOW - limit - 0.1, continued=NOW - limit + 0.1), settings) == "well"
    assert verdict(evolve(unborn, born=NOW - limit - 0.1, stopped=True), settings) == "well"


def test_one_that_runs_nothing_and_is_silent_for_three_leases_is_wedged() -> None:
    assert verdict(known(Reading(NOW - LEASES + 0.1, 5, ())), SETTINGS) == "well"
    assert verdict(known(Reading(NOW - LEASES - 0.1, 5, ())), SETTINGS) == "wedged"


def test_the_shortest_leases_leave_time_for_a_sign_of_life_a_second() -> None:
    assert verdict(known(Reading(NOW - 3.0, 5, ())), WorkerSettings(heartbeat=50)) == "well"
    assert verdict(known(Reading(NOW - 5.1, 5, ())), WorkerSettings(heartbeat=50)) == "wedged"


def test_one_that_runs_something_may_be_silent_for_as_long_as_it_takes() -> None:
    assert verdict(known(Reading(NOW - 100 * LEASES, 5, (BUSY,))), SETTINGS) == "well"


def test_one_that_was_stopped_is_left_alone_and_given_time_once_it_goes_on() -> None:
    silent = Reading(NOW - 100 * LEASES, 5, ())

    assert verdict(known(silent, stopped=True), SETTINGS) == "well"
    assert verdict(known(silent, continued=NOW - 1.0), SETTINGS) == "well"
    assert verdict(known(silent, continued=NOW - LEASES - 0.1), SETTINGS) == "wedged"


@pytest.mark.parametrize(("late", "said"), [(-1.0, "well"), (4.9, "well"), (5.1, "overran")])
def test_one_whose_message_is_past_its_limit_and_the_grace_overran(late: float, said: str) -> None:
    assert verdict(known(Reading(NOW, 5, (BUSY, Running("m2", NOW - 60, NOW - late)))), SETTINGS) == said


def test_which_messages_overran_is_told() -> None:
    reading = Reading(NOW, 5, (BUSY, Running("m2", NOW - 60, NOW - 6), Running("m3", NOW - 60, NOW - 4)))

    assert overran(reading, NOW, 5_000) == {"m2"}


def test_a_stopped_child_overruns_nothing() -> None:
    late = Reading(NOW, 5, (Running("m2", NOW - 60, NOW - 50),))

    assert verdict(known(late, stopped=True), SETTINGS) == "well"


def test_one_that_has_done_its_share_or_grown_too_large_is_worn_out() -> None:
    assert verdict(known(Reading(NOW, 99, ())), SETTINGS) == "well"
    assert verdict(known(Reading(NOW, 100, ())), SETTINGS) == "worn out"
    assert verdict(known(Reading(NOW, 5, ()), memory=SETTINGS.max_memory_per_child), SETTINGS) == "well"
    assert verdict(known(Reading(NOW, 5, ()), memory=10**12), SETTINGS) == "worn out"


def test_one_that_is_too_large_before_it_has_finished_anything_is_no_better_replaced() -> None:
    assert verdict(known(Reading(0.0, 0, ()), memory=10**12, born=NOW), SETTINGS) == "well", "it boots"
    assert verdict(known(Reading(NOW, 0, ()), memory=10**12), SETTINGS) == "large from birth"
    assert verdict(known(Reading(NOW, 0, (BUSY,)), memory=10**12), SETTINGS) == "well", "its first message may be to blame"
    assert verdict(known(Reading(NOW, 1, ()), memory=10**12), SETTINGS) == "worn out"


def test_without_such_settings_nobody_wears_out() -> None:
    assert verdict(known(Reading(NOW, 10**9, ()), memory=10**15), WorkerSettings(heartbeat=1_000)) == "well"


def test_what_overran_counts_before_all_else() -> None:
    assert verdict(known(Reading(NOW, 100, (Running("m2", NOW - 60, NOW - 50),)), memory=10**12), SETTINGS) == "overran"
