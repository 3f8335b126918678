"""`PoisonLimit`: a message that kills its process again and again becomes a dead letter."""

import pytest

from fq import Dead, LayerError, Message, Outcome, Poison, PoisonLimit, Store, compose, default_middleware, poison_limit, retries
from fq.testing import message


def ran(layer: PoisonLimit, sent: Message) -> bool:
    return layer.wrap(lambda _: Outcome.success())(sent).succeeded


@pytest.mark.parametrize("deliveries", range(1, 8))
def test_a_message_runs_for_max_deliveries_and_not_once_more(deliveries: int) -> None:
    assert ran(poison_limit(max_deliveries=3), message("add", deliveries=deliveries)) is (deliveries <= 3)


def test_five_deliveries_are_the_default() -> None:
    assert PoisonLimit() == poison_limit() == poison_limit(max_deliveries=5)


def test_a_poisonous_message_is_a_dead_letter_that_says_what_it_did() -> None:
    outcome = poison_limit(max_deliveries=3).wrap(lambda _: Outcome.success())(message("add", deliveries=4))

    assert outcome == Outcome.failure(Poison("add was delivered 3 times and its process died each time"))


def test_a_message_may_set_its_own_limit() -> None:
    assert not ran(poison_limit(), message("add", deliveries=2, max_deliveries=1))
    assert ran(poison_limit(), message("add", deliveries=9, max_deliveries=9))


def test_poison_goes_through_the_whole_stack_so_that_its_failure_is_stored() -> None:
    outcome = default_middleware.wrap(lambda _: Outcome.success())(message("add", deliveries=6))

    assert isinstance(outcome.result.failure(), Dead)
    (store,) = outcome.effects
    assert isinstance(store, Store)
    assert isinstance(store.result.failure(), Poison)


def test_retries_do_not_count_as_deliveries() -> None:
    stack = compose(poison_limit(max_deliveries=1), retries())

    assert stack.wrap(lambda _: Outcome.success())(message("add", retries=19)).succeeded


@pytest.mark.parametrize("value", ["abc", 0, None, 1.5])
def test_a_limit_that_is_none_is_a_dead_letter_that_says_so(value: object) -> None:
    outcome = poison_limit().wrap(lambda _: Outcome.success())(message("add", max_deliveries=value))

    assert isinstance(outcome.error, LayerError)
    assert str(outcome.error).startswith("PoisonLimit raised OptionError: max_deliveries: ")
