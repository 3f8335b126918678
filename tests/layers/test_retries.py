"""`Retries`: when a failed message is tried again, how much later, and when it is not."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from returns.result import Failure

from fq import (
    ActorFailure,
    AgeLimitExceeded,
    App,
    Dead,
    Drop,
    InvalidArguments,
    LayerError,
    Message,
    OptionError,
    Outcome,
    Poison,
    RateLimitExceeded,
    Retries,
    Retry,
    RetryAfter,
    Setback,
    Shutdown,
    Snooze,
    TimeLimitExceeded,
    compose,
    default_middleware,
    results,
    retries,
    time_limit,
)
from fq.core.derived_ids import jitter
from fq.core.duration import MAX_DURATION_MS
from fq.core.message import RETRIES
from fq.testing import message

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy

ERROR = ValueError("no")
WEEK = 604_800_000


def setback_of(layer: Retries, message: Message, error: BaseException = ERROR) -> Setback:
    """Return what becomes of *message* when its actor raises *error*."""
    return layer.wrap(lambda _: Outcome.raised(error))(message).result.failure()  # type: ignore[arg-type]


def retry_of(layer: Retries, message: Message, error: BaseException = ERROR) -> Retry:
    setback = setback_of(layer, message, error)
    assert isinstance(setback, Retry)
    return setback


def attempts(layer: Retries, sent: Message, error: BaseException = ERROR) -> int:
    """Return how often an actor that always fails runs."""
    count = 1
    while isinstance(setback := setback_of(layer, sent, error), Retry):
        sent = setback.message
        count += 1
    return count


# How often


def test_a_success_is_left_alone() -> None:
    outcome = Outcome.success(3)

    assert retries().wrap(lambda _: outcome)(message("add")) is outcome


def test_a_failure_is_tried_again_with_the_count_in_the_message() -> None:
    assert retry_of(retries(), message("add", 1, tenant="a")) == Retry(
        message("add", 1, tenant="a", retries=1), Retries().backoff_ms("test", 0), ERROR
    )


@pytest.mark.parametrize("most", [0, 1, 3, 20])
def test_max_retries_attempts_follow_the_first(most: int) -> None:
    assert attempts(retries(max_retries=most), message("add")) == most + 1


def test_the_last_failure_is_a_dead_letter_with_its_own_error() -> None:
    assert setback_of(retries(max_retries=2), message("add", retries=2)) == Dead(ERROR)


def test_without_a_limit_a_message_is_tried_for_ever() -> None:
    assert retry_of(retries(max_retries=None), message("add", retries=10**6)).message.options == {"retries": 10**6 + 1}


def test_twenty_retries_are_the_default() -> None:
    assert Retries() == retries() == retries(max_retries=20, min_backoff=15_000, max_backoff=WEEK, retry_when=None, throws=())
    assert attempts(retries(), message("add")) == 21


def test_only_a_dead_letter_is_refined() -> None:
    for setback in (Drop("no"), Retry(message("add"), 5), Retry(message("add"), 5, ERROR)):
        assert retries().wrap(lambda _, setback=setback: Outcome(Failure(setback)))(message("add")).result.failure() is setback


def test_effects_from_further_in_survive_a_retry() -> None:
    inner = results().wrap(lambda _: Outcome.failure(ERROR))
    outcome = retries().wrap(inner)(message("add"))

    assert isinstance(outcome.result.failure(), Retry)
    assert outcome.effects == inner(message("add")).effects != ()


# How much later


@pytest.mark.parametrize("n", range(12))
def test_the_delay_doubles_with_every_retry_and_jitter_adds_up_to_as_much_again(n: int) -> None:
    layer = retries(min_backoff=100, max_backoff=MAX_DURATION_MS)
    fraction = jitter("m1", n)

    assert layer.backoff_ms("m1", n) == int(100 * 2**n * (1 + fraction))
    assert 100 * 2**n <= layer.backoff_ms("m1", n) < 100 * 2 ** (n + 1)


@patient
@given(st.integers(0, MAX_DURATION_MS), st.integers(0, MAX_DURATION_MS), st.integers(0, 10**9), st.text(min_size=1))
def test_the_delay_is_between_the_bounds(least: int, most: int, n: int, message_id: str) -> None:
    delay = retries(min_backoff=least, max_backoff=most).backoff_ms(message_id, n)

    assert 0 <= delay <= most
    assert delay >= min(least, most // 2)


@patient
@given(st.integers(0, 40), st.text(min_size=1))
def test_a_delay_past_the_ceiling_lies_in_its_upper_half(n: int, message_id: str) -> None:
    delay = retries(min_backoff=10_000, max_backoff=8_000).backoff_ms(message_id, n)

    assert 4_000 <= delay < 8_000
    assert delay == int(8_000 * (1 + jitter(message_id, n)) / 2)


def test_the_default_delays_are_those_that_the_documentation_promises() -> None:
    for n in range(40):
        delay = Retries().backoff_ms("m1", n)
        assert delay < WEEK
        assert delay >= min(15_000 * 2**n, WEEK // 2)


def test_a_huge_number_of_retries_does_not_overflow() -> None:
    for n in (32, 33, 1_000, 10**6, 10**100):
        assert 0 < Retries().backoff_ms("m1", n) < WEEK
        assert retries(min_backoff=1, max_backoff=MAX_DURATION_MS).backoff_ms("m1", n) < 2**33


def test_no_backoff_means_at_once() -> None:
    assert retry_of(retries(min_backoff=0), message("add", retries=9)).delay == 0
    assert retry_of(retries(max_backoff=0), message("add", retries=9)).delay == 0


def test_the_same_message_waits_the_same_time_every_time() -> None:
    assert setback_of(retries(), message("add", retries=3)) == setback_of(retries(), message("add", retries=3))


def test_many_messages_that_fail_together_come_back_spread_out() -> None:
    delays = [retries(min_backoff=1_000).backoff_ms(f"message-{n}", 0) for n in range(1_000)]

    assert len(set(delays)) > 500
    assert min(delays) < 1_020
    assert max(delays) > 1_980
    assert all(sum(1_000 + 100 * tenth <= delay < 1_100 + 100 * tenth for delay in delays) > 60 for tenth in range(10))


def test_one_message_waits_another_fraction_each_time() -> None:
    layer = retries(min_backoff=1_000, max_backoff=MAX_DURATION_MS)

    assert len({layer.backoff_ms("m1", n) / 2**n for n in range(12)}) == 12


def test_backoffs_may_be_timedeltas() -> None:
    assert retries(min_backoff=timedelta(seconds=1), max_backoff=timedelta(hours=1)) == retries(min_backoff=1_000, max_backoff=3_600_000)


# Who says so


@pytest.mark.parametrize(
    ("stack", "actor", "sent", "expected"),
    [
        (3, None, None, 4),
        (3, 1, None, 2),
        (3, 99, 0, 1),
        (3, 99, 4, 5),
        (0, None, 2, 3),
    ],
)
def test_the_message_has_its_way_over_the_actor_and_the_actor_over_the_stack(
    stack: int, actor: int | None, sent: int | None, expected: int
) -> None:
    app = App("memory://", middleware=compose(retries(max_retries=stack)))
    runs: list[int] = []

    def fails() -> None:
        runs.append(1)
        raise ERROR

    declared = app.actor(fails) if actor is None else app.actor(max_retries=actor)(fails)
    call = declared.call() if sent is None else declared.call().with_options(max_retries=sent)
    call.send()
    app.run_until_idle()

    assert len(runs) == expected


def test_none_in_a_message_means_for_ever_over_a_limit_of_the_actor() -> None:
    assert retry_of(retries(max_retries=0), message("add", max_retries=None, retries=50)).message.options["retries"] == 51


def test_a_message_may_set_both_backoffs() -> None:
    assert retry_of(retries(min_backoff=10_000), message("add", min_backoff=0)).delay == 0
    assert retry_of(retries(min_backoff=10_000), message("add", max_backoff=0)).delay == 0


def test_options_of_the_message_stay_in_force_for_its_retries() -> None:
    assert attempts(retries(max_retries=99, min_backoff=0), message("add", max_retries=2)) == 3


# What is worth a second attempt


def test_retry_when_decides_instead_of_max_retries() -> None:
    layer = retries(max_retries=0, retry_when=lambda retries, error: isinstance(error, RuntimeError) and retries < 3)

    assert attempts(layer, message("add"), ValueError("no")) == 1
    assert attempts(layer, message("add"), RuntimeError("no")) == 4


def test_retry_when_is_asked_with_the_retries_so_far_and_the_error() -> None:
    asked: list[tuple[int, BaseException]] = []

    def watched(retries: int, error: BaseException) -> bool:
        asked.append((retries, error))
        return retries < 2

    attempts(retries(retry_when=watched), message("add"))

    assert asked == [(0, ERROR), (1, ERROR), (2, ERROR)]


def test_a_retry_when_that_raises_is_a_failure_of_the_layer() -> None:
    layer = retries(retry_when=lambda retries, error: 1 // 0 == 0)
    setback = setback_of(layer, message("add"))

    assert isinstance(setback, Dead)
    assert str(setback.error) == "Retries raised ZeroDivisionError: integer division or modulo by zero"


@pytest.mark.parametrize("throws", [ValueError, (ValueError,), (KeyError, ValueError), Exception, LookupError])
def test_errors_that_an_actor_raises_on_purpose_are_final(throws: type[Exception] | tuple[type[Exception], ...]) -> None:
    layer = retries(throws=throws)
    final = KeyError("x") if throws is LookupError else ERROR

    assert setback_of(layer, message("add"), final) == Dead(final)
    assert (setback_of(layer, message("add"), OSError("disk")) == Dead(ERROR)) is False


def test_throws_has_its_way_over_retry_when_and_over_retry_after() -> None:
    layer = retries(throws=(ValueError, RetryAfter), retry_when=lambda retries, error: True)

    assert setback_of(layer, message("add")) == Dead(ERROR)
    assert setback_of(layer, message("add"), RetryAfter(5)) == Dead(RetryAfter(5))


def test_an_overrun_time_limit_is_a_failure_like_any_other() -> None:
    assert retry_of(retries(), message("add"), TimeLimitExceeded("slow")).error == TimeLimitExceeded("slow")
    assert setback_of(retries(throws=TimeLimitExceeded), message("add"), TimeLimitExceeded("slow")) == Dead(TimeLimitExceeded("slow"))


@pytest.mark.parametrize(
    "error",
    [RateLimitExceeded("full"), ActorFailure("no"), LayerError(retries(), OSError("disk")), OSError("disk")],
    ids=lambda error: type(error).__name__,
)
def test_what_may_get_better_is_tried_again(error: Exception) -> None:
    assert retry_of(retries(), message("add"), error).error is error


def test_what_others_call_final_is_their_business() -> None:
    class Score(Exception):
        final = True

    assert retry_of(retries(), message("add"), Score())


@pytest.mark.parametrize("error", [SystemExit(2), GeneratorExit(), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_an_exit_is_tried_again_like_any_other_failure(error: BaseException) -> None:
    assert retry_of(retries(), message("add"), error).error is error


@pytest.mark.parametrize(
    "error",
    [InvalidArguments("no"), AgeLimitExceeded("old"), Poison("bad"), OptionError("no"), LayerError(retries(), OptionError("no"))],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_get_better_is_not_tried_again(error: Exception) -> None:
    assert setback_of(retries(retry_when=lambda retries, error: True), message("add"), error) == Dead(error)  # type: ignore[arg-type]


def test_a_shutdown_is_left_to_whoever_hands_the_message_back() -> None:
    assert setback_of(retries(), message("add"), Shutdown()) == Dead(Shutdown())


# What the actor asks for


@pytest.mark.parametrize("delay", [0, 100, timedelta(minutes=5), 2 * WEEK])
def test_an_actor_may_name_the_delay_of_its_retry_which_no_ceiling_cuts(delay: int | timedelta) -> None:
    error = RetryAfter(delay)
    retry = retry_of(retries(), message("add", retries=1), error)

    assert (retry.delay, retry.error) == (error.delay, error)
    assert retry.message.options == {"retries": 2}


def test_a_retry_after_uses_up_an_attempt() -> None:
    assert attempts(retries(max_retries=3), message("add"), RetryAfter(0)) == 4


def test_a_snooze_uses_up_no_attempt_and_is_no_error() -> None:
    sent = message("add", retries=3)

    assert setback_of(retries(max_retries=3), sent, Snooze(timedelta(hours=1))) == Retry(sent, 3_600_000)


def test_a_snooze_is_granted_whatever_the_layer_says_of_failures() -> None:
    assert setback_of(retries(max_retries=0), message("add"), Snooze(5)) == Retry(message("add"), 5)
    assert setback_of(retries(retry_when=lambda retries, error: False), message("add"), Snooze(5)) == Retry(message("add"), 5)


@pytest.mark.parametrize("kind", [RetryAfter, Snooze])
@pytest.mark.parametrize(("delay", "refusal"), [("soon", TypeError), (1.5, TypeError), (True, TypeError), (10**30, ValueError)])
def test_a_delay_that_is_none_is_refused_where_it_is_written(
    kind: Callable[[object], RetryAfter], delay: object, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal, match="expected"):
        kind(delay)


@pytest.mark.parametrize("kind", [RetryAfter, Snooze])
@pytest.mark.parametrize("delay", [-1, timedelta(seconds=-5), -(10**30)])
def test_a_moment_that_has_passed_means_at_once(kind: Callable[[object], RetryAfter], delay: object) -> None:
    assert retry_of(retries(), message("add"), kind(delay)).delay == 0


@pytest.mark.parametrize("delay", ["soon", None, 1.5])
def test_a_subclass_that_asks_for_no_delay_waits_as_for_any_error(delay: object) -> None:
    class Odd(RetryAfter):
        def __init__(self) -> None:
            self.delay = delay  # type: ignore[assignment]  # as code without types may

    assert retry_of(retries(), message("add"), Odd()).delay == retry_of(retries(), message("add"), ERROR).delay


@pytest.mark.parametrize("raised", [AttributeError("no"), ValueError("no"), SystemExit(1)], ids=repr)
def test_an_error_that_cannot_be_asked_for_its_delay_is_tried_again_as_any_other(raised: BaseException) -> None:
    class Broken(RetryAfter):
        def __init__(self) -> None:
            pass

        @property
        def delay(self) -> int:  # type: ignore[override]  # as code without types may
            raise raised

    assert retry_of(retries(), message("add"), Broken()).delay == retry_of(retries(), message("add"), ERROR).delay


@pytest.mark.parametrize("raised", [AttributeError("no"), ValueError("no"), SystemExit(1)], ids=repr)
def test_an_error_that_cannot_be_asked_if_it_is_final_is_tried_again(raised: BaseException) -> None:
    class Broken(ActorFailure):
        @property
        def final(self) -> bool:  # type: ignore[override]  # as code without types may
            raise raised

    assert retry_of(retries(), message("add"), Broken("no")).delay == retry_of(retries(), message("add"), ERROR).delay


# What a message may say wrongly


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_retries", "abc"),
        ("max_retries", -1),
        ("max_retries", 1.5),
        ("max_retries", True),
        ("min_backoff", "1s"),
        ("min_backoff", -1),
        ("max_backoff", None),
        ("max_backoff", 10**400),
        ("throws", "ValueError"),
        ("throws", ["ValueError"]),
        ("retry_when", "always"),
    ],
)
@pytest.mark.parametrize("result", [Outcome.success(3), Outcome.failure(ERROR)], ids=["success", "failure"])
def test_a_message_with_a_poisonous_option_is_a_dead_letter_that_names_it_and_never_runs(
    option: str, value: object, result: Outcome
) -> None:
    ran: list[Message] = []

    def handler(message: Message) -> Outcome:
        ran.append(message)
        return result

    setback = default_middleware.wrap(handler)(message("add", **{option: value})).result.failure()  # type: ignore[arg-type]

    assert ran == []
    assert isinstance(setback, Dead)
    assert isinstance(setback.error, LayerError)
    assert str(setback.error).startswith(f"Retries raised OptionError: {option}: ")


@pytest.mark.parametrize("count", ["three", None, [1], 1.5])
def test_a_count_of_retries_that_is_none_is_a_dead_letter_that_says_so(count: object) -> None:
    setback = setback_of(retries(), message("add", retries=count))

    assert isinstance(setback, Dead)
    assert str(setback.error) == f"Retries raised OptionError: option retries of message test: found {count!r}, expected int"


@patient
@given(st.integers(-(10**20), 10**20))
def test_any_count_of_retries_gives_a_delay_within_the_ceiling(count: int) -> None:
    setback = setback_of(retries(max_retries=None), message("add", retries=count))

    assert isinstance(setback, Dead) or (isinstance(setback, Retry) and 0 <= setback.delay <= WEEK)
    assert RETRIES.get(message("add", retries=count)) == count


# Where it stands


def test_inside_the_age_limit_and_outside_the_time_limit() -> None:
    names = [type(layer).__name__ for layer in default_middleware]

    assert names.index("AgeLimit") < names.index("Retries") < names.index("TimeLimit")


def test_each_attempt_has_a_time_limit_of_its_own() -> None:
    stack = compose(retries(), time_limit(time_limit=5))
    limits: list[float] = []

    def handler(message: Message) -> Outcome:
        limits.append(message.time_limit)
        return Outcome.failure(ERROR)

    first = stack.wrap(handler)(message("add")).result.failure()
    assert isinstance(first, Retry)
    stack.wrap(handler)(first.message)

    assert limits == [5, 5]
    assert first.message.time_limit == float("inf")


@frozen
class Custom(Retries):
    """Backs off by the clock of the bank."""

    def backoff_ms(self, message_id: str, retries: int) -> int:
        return 60_000 * (retries + 1)


def test_the_backoff_can_be_replaced_by_a_subclass() -> None:
    assert retry_of(Custom(max_retries=5), message("add", retries=2)).delay == 180_000
