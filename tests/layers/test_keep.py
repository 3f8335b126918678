"""Which records `Keep` keeps: decided by the outcome, the sample and the failures that are kept; and how what follows a message names it."""

from typing import Literal

import pytest
from returns.result import Failure, Success

from fq import (
    AgeLimitExceeded,
    Arrive,
    Cancelled,
    Dead,
    Drop,
    Enqueue,
    GroupCallbacks,
    Keep,
    KeepRecord,
    Message,
    OptionError,
    Outcome,
    Results,
    Retries,
    Retry,
    StackError,
    Store,
    compose,
    default_middleware,
    keep,
    results,
    retries,
)
from fq.core.reserved_options import FIRST_DELAY, PARENT, ROOT
from fq.testing import check_step, message

SUCCESS = Outcome.success(3)
DEAD = Outcome.failure(ValueError("no"))
EXPIRED = Outcome.failure(AgeLimitExceeded("old"))
CANCELLED = Outcome.failure(Cancelled("stop"))
DROPPED = Outcome.drop("not today")
RETRIED = Outcome(Failure(Retry(message("add", message_id="m1", retries=1), 5, ValueError("later"))))


def record(layer: Keep, outcome: Outcome, message_id: str = "m1") -> KeepRecord | None:
    effects = layer.wrap(lambda _: outcome)(message("add", 1, message_id=message_id)).effects
    return next((effect for effect in effects if isinstance(effect, KeepRecord)), None)


def is_whole(layer: Keep, outcome: Outcome, message_id: str = "m1") -> bool:
    found = record(layer, outcome, message_id)
    return found is not None and found.whole


def unsampled(sample: int) -> str:
    return next(name for name in map(str, range(100)) if not keep(sample=sample).is_sampled(name))


def test_it_obeys_the_laws_of_layers() -> None:
    check_step(keep(ttl=1_000, count=5, failures="only", sample=3, redact=["password"]))


@pytest.mark.parametrize("outcome", [SUCCESS, DEAD, EXPIRED, CANCELLED, DROPPED])
def test_every_final_outcome_is_kept(outcome: Outcome) -> None:
    assert record(keep(ttl=1_000, count=7, redact=["b"]), outcome) == KeepRecord(message("add", 1, message_id="m1"), 1_000, 7, ("b",))


@pytest.mark.parametrize(("outcome", "kept"), [(SUCCESS, False), (DROPPED, False), (CANCELLED, False), (DEAD, True), (EXPIRED, True)])
def test_with_failures_only_others_leave_a_small_mark(outcome: Outcome, kept: bool) -> None:
    found = record(keep(failures="only"), outcome)

    assert found is not None
    assert found.whole is kept


def test_no_mark_is_needed_where_the_result_is_stored() -> None:
    stack = compose(keep(failures="only"), results())

    assert [type(effect) for effect in stack.wrap(lambda _: SUCCESS)(message("add", message_id="m1")).effects] == [Store]


@pytest.mark.parametrize(("failures", "kept"), [("always", True), ("only", True), ("sampled", False)])
def test_a_failure_outside_the_sample(failures: Literal["always", "only", "sampled"], kept: bool) -> None:
    layer = keep(sample=10, failures=failures)

    assert is_whole(layer, DEAD, unsampled(10)) is kept


def test_one_in_so_many_is_kept_and_always_the_same_one() -> None:
    layer = keep(sample=4)
    ids = [f"id-{n}" for n in range(4_000)]

    kept = [name for name in ids if is_whole(layer, SUCCESS, name)]

    assert 850 < len(kept) < 1_150
    assert kept == [name for name in ids if keep(sample=4).is_sampled(name)]
    assert set(kept) >= {name for name in ids if keep(sample=8).is_sampled(name)}


def test_a_retry_notes_its_attempt_if_a_record_may_follow() -> None:
    assert record(keep(), RETRIED) is not None
    assert record(keep(failures="only"), RETRIED) is not None
    assert record(keep(sample=10, failures="sampled"), RETRIED, unsampled(10)) is None


def test_what_follows_names_its_parent_and_root() -> None:
    then = Enqueue(message("report", message_id="r"))
    outcome = SUCCESS.also(Enqueue(message("next", message_id="n"), 5), Arrive("g", 0, 2, 3, (then,)))
    first = keep().wrap(lambda _: outcome)(message("add", message_id="m1"))
    second = keep().wrap(lambda _: outcome)(message("add", message_id="m2").with_options(**{PARENT: "m1", ROOT: "m1"}))

    def named(outcome: Outcome) -> list[tuple[object, object]]:
        _, sent, arrived = outcome.effects
        assert isinstance(sent, Enqueue)
        assert isinstance(arrived, Arrive)
        messages = (sent.message, arrived.then[0].message)
        return [(found.options[PARENT], found.options[ROOT]) for found in messages]

    assert named(first) == [("m1", "m1"), ("g", "m1")]
    assert named(second) == [("m2", "m1"), ("g", "m1")]


def test_what_follows_a_message_without_a_record_names_nothing() -> None:
    outcome = SUCCESS.also(Enqueue(message("next", message_id="n")))

    assert outcome.effects[0] in keep(failures="only").wrap(lambda _: outcome)(message("add")).effects


def test_the_first_delay_is_noted_and_no_later_one() -> None:
    fresh, received = message("add", received_at=0), message("add", received_at=7)

    assert keep().on_enqueue(Enqueue(fresh, 50)).message.options == {FIRST_DELAY: 50}
    assert keep().on_enqueue(Enqueue(fresh)).message.options == {}
    assert keep().on_enqueue(Enqueue(received, 50)).message.options == {}


def test_it_goes_outside_of_all_that_decide_or_follow() -> None:
    assert type(next(iter(default_middleware.add(keep())))) is Keep
    with pytest.raises(StackError, match="Keep must be outside Retries"):
        compose(retries(), keep())
    for kind in (GroupCallbacks, Results, Retries):
        assert kind in default_middleware.outside(GroupCallbacks, keep())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ttl", 0),
        ("count", -1),
        ("count", True),
        ("sample", 0),
        ("sample", 1.5),
        ("redact", "password"),
        ("redact", [3]),
        ("failures", "none"),
    ],
)
def test_a_bad_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=r"found .*, expected"):
        keep(**{name: value})  # type: ignore[arg-type]


def test_an_option_of_a_message_overrides_a_field() -> None:
    found = keep().wrap(lambda _: SUCCESS)(Message(message_id="m1", actor_name="add", options={"ttl": 5, "count": 2}))

    assert found.effects[0] == KeepRecord(Message(message_id="m1", actor_name="add", options={"ttl": 5, "count": 2}), 5, 2)


def test_the_value_of_a_record_is_the_outcome_unchanged() -> None:
    assert keep().wrap(lambda _: SUCCESS)(message("add")).result == Success(3)
    assert keep().wrap(lambda _: DROPPED)(message("add")).result == Failure(Drop("not today"))
    assert isinstance(keep().wrap(lambda _: DEAD)(message("add")).result.failure(), Dead)
