"""How much a worker claims: pure decisions."""

from fq.worker.process.prefetch import MAX_CLAIM, WINDOW_MS, Prefetch


def test_a_worker_that_has_measured_nothing_asks_for_its_free_threads() -> None:
    assert Prefetch().room(free=8, backlog=0) == 8


def test_a_fast_worker_asks_for_what_it_finishes_within_the_window() -> None:
    assert Prefetch(rate=4.0).room(free=2, backlog=10) == 2 + 4 * WINDOW_MS - 10


def test_a_claim_never_asks_for_more_than_the_maximum() -> None:
    assert Prefetch(rate=1e6).room(free=8, backlog=0) == MAX_CLAIM


def test_a_backlog_beyond_the_window_asks_for_nothing() -> None:
    assert Prefetch(rate=0.1).room(free=0, backlog=100) == 0


def test_the_rate_follows_the_measurements() -> None:
    assert Prefetch(rate=2.0).measured(finished=400, elapsed=100, starved=False).rate == 3.0


def test_a_starved_measurement_never_lowers_the_rate() -> None:
    assert Prefetch(rate=2.0).measured(finished=1, elapsed=100, starved=True).rate == 2.0


def test_the_async_window_doubles_while_there_is_room_and_falls_back_when_sync_jobs_pile_up() -> None:
    grown = Prefetch().claimed(asked=32, sync_backlog=0)

    assert (grown.async_window, grown.claimed(asked=64, sync_backlog=3).async_window) == (64, 32)
