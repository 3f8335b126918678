"""Attempts, as a message carries them: numbered, bounded, and honest about deliveries that were lost."""

import pytest
from attrs import evolve

from fq import Fault, Message
from fq.core.attempts import FIRST_KEPT, LATEST_KEPT, MAX_ATTEMPT_TEXT, Attempt, attempts_of, attempts_with, with_attempts
from fq.core.message import TIME_LIMIT
from fq.core.outcome import Run
from fq.core.reserved_options import ATTEMPTS, check_message_options

MESSAGE = Message(message_id="m1", actor_name="add")
RUN = Run("w1", 1_000, 7)
FAULT = Fault("ValueError", "no", "Traceback ...")


def numbers(attempts: tuple[Attempt, ...]) -> list[int]:
    return [attempt.number for attempt in attempts]


def test_a_run_is_appended() -> None:
    first = attempts_with(MESSAGE, RUN, FAULT)
    second = attempts_with(with_attempts(MESSAGE, first), RUN, None)

    assert first == (Attempt(1, "w1", 1_000, 7, FAULT),)
    assert second == (*first, Attempt(2, "w1", 1_000, 7))


def test_they_survive_the_wire_and_fq_may_send_them_again() -> None:
    attempts = (Attempt(1, lost=True), Attempt(2, "w1", 5, 6, FAULT), Attempt(3))
    message = with_attempts(MESSAGE, attempts)

    assert attempts_of(message) == attempts
    check_message_options(message.options)


def test_a_message_without_attempts_stays_as_it_is() -> None:
    assert with_attempts(MESSAGE, ()) is MESSAGE


@pytest.mark.parametrize(("deliveries", "interrupted", "lost"), [(1, "", 0), (3, "", 2), (2, TIME_LIMIT, 0), (3, TIME_LIMIT, 1)])
def test_deliveries_without_an_outcome_are_lost_runs(deliveries: int, interrupted: str, lost: int) -> None:
    attempts = attempts_with(evolve(MESSAGE, deliveries=deliveries, interrupted=interrupted), RUN, FAULT)

    assert [attempt.lost for attempt in attempts] == [True] * lost + [False]
    assert numbers(attempts) == list(range(1, lost + 2))


def test_no_run_is_noted_where_the_actor_was_not_called() -> None:
    assert attempts_with(MESSAGE, None, FAULT) == ()
    assert attempts_with(evolve(MESSAGE, deliveries=2), None, FAULT) == (Attempt(1, lost=True),)


def test_the_first_and_the_latest_are_kept() -> None:
    message = MESSAGE
    for _ in range(1_000):
        message = with_attempts(message, attempts_with(message, RUN, FAULT))

    assert numbers(attempts_of(message)) == [*range(1, FIRST_KEPT + 1), *range(1_001 - LATEST_KEPT, 1_001)]


def test_a_long_error_is_cut() -> None:
    (attempt,) = attempts_with(MESSAGE, RUN, Fault("ValueError", "x" * 9_000, "y" * 9_000))

    assert attempt.error is not None
    assert len(attempt.error.message) < MAX_ATTEMPT_TEXT + 100
    assert len(attempt.error.traceback) < 2_000


@pytest.mark.parametrize("foreign", ["x", [], [3], [{"n": "1"}], {"n": 1}], ids=str)
def test_what_fq_has_not_written_is_no_attempt(foreign: object) -> None:
    assert attempts_of(MESSAGE.with_options(**{ATTEMPTS: foreign})) == ()
