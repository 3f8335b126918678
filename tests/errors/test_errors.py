"""The tree of errors: values, with a place each."""

from datetime import timedelta

import pytest

import fq
from fq import errors
from fq.errors import FqError, Interrupt, LayerError, RetryAfter, Snooze
from fq.layers import retries

ALL = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, BaseException) and value is not BaseException
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_in_the_tree_and_says_what_it_means(kind: type) -> None:
    assert kind.__name__ in (errors.__doc__ or "").replace(",", " ").split()
    assert kind.__doc__


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_an_error_of_fq_is_caught_as_one_unless_it_is_an_interrupt(kind: type) -> None:
    assert issubclass(kind, FqError) != issubclass(kind, Interrupt)
    assert issubclass(kind, Exception) != issubclass(kind, Interrupt)


def test_errors_are_equal_when_type_and_arguments_are() -> None:
    assert fq.Poison("a") == fq.Poison("a")
    assert fq.Poison("a") != fq.Poison("b")
    assert fq.Poison("a") != fq.AgeLimitExceeded("a")
    assert fq.TimeLimitExceeded("a") == fq.TimeLimitExceeded("a")
    assert fq.TimeLimitExceeded("a") != fq.Shutdown("a")
    assert len({fq.Poison("a"), fq.Poison("a"), fq.Shutdown("a"), fq.Shutdown("a")}) == 2


@pytest.mark.parametrize("kind", [fq.OptionError, fq.DecodeError, fq.InvalidArguments, fq.InvalidResult, fq.AgeLimitExceeded, fq.Poison])
def test_what_cannot_get_better_is_final(kind: type[FqError]) -> None:
    assert kind("x").final


@pytest.mark.parametrize("kind", [fq.ActorNotFound, fq.BrokerError, fq.MiddlewareError, fq.RateLimitExceeded, fq.ActorFailure])
def test_what_may_get_better_is_not(kind: type[FqError]) -> None:
    assert not kind("x").final


def test_a_layer_error_names_the_layer_and_is_as_final_as_its_cause() -> None:
    error = LayerError(retries(), ValueError("no"))

    assert str(error) == "Retries raised ValueError: no"
    assert not error.final
    assert LayerError(retries(), fq.OptionError("no")).final
    assert not LayerError.final


@pytest.mark.parametrize("kind", [RetryAfter, Snooze])
def test_a_delay_may_be_ms_or_a_timedelta(kind: type[RetryAfter]) -> None:
    assert kind(5_000).delay == kind(timedelta(seconds=5)).delay == 5_000
    assert str(kind(5_000)) == str(kind(timedelta(seconds=5))) == "the actor asked to be tried again after 5000 ms"
    assert str(kind(5_000, "the bank is closed")) == "the bank is closed"


def test_an_actor_failure_shows_what_the_actor_returned() -> None:
    assert str(fq.ActorFailure({"code": 3})) == "{'code': 3}"
    assert fq.ActorFailure(3).value == 3


def test_a_result_failure_shows_the_error_of_the_task() -> None:
    error = fq.ResultFailure("ValueError", "no", "Traceback ...")

    assert str(error) == "the task failed with ValueError: no"
    assert (error.type, error.message, error.traceback) == ("ValueError", "no", "Traceback ...")


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (fq.StackError, ValueError),
        (fq.OptionError, ValueError),
        (fq.DeclarationError, ValueError),
        (fq.InvalidArguments, TypeError),
        (fq.InvalidResult, TypeError),
        (fq.ActorNotFound, LookupError),
        (fq.BrokerUnavailable, ConnectionError),
        (fq.ResultTimeout, TimeoutError),
    ],
)
def test_an_error_is_also_the_one_of_pythons_that_it_resembles(kind: type, base: type) -> None:
    assert issubclass(kind, base)
