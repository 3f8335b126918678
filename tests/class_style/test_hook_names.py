"""What `hooks` accepts, and the one clear error for what it does not."""

from functools import partial
from typing import Any

import pytest

from fq import StackError, compose, hooks
from fq.class_style import Middleware
from fq.class_style.hook_names import HOOKS


class Nothing:
    pass


class WrongShape:
    def before_process_message(self, message: Any) -> None: ...


class TooMany:
    def before_enqueue(self, broker: Any, message: Any, delay: Any, queue: Any) -> None: ...


class NoKeywords:
    def after_process_message(self, broker: Any, message: Any) -> None: ...


class NotCallable:
    before_ack = 3


class Async:
    async def before_process_message(self, broker: Any, message: Any) -> None: ...


class BadOptions:
    actor_options = "rate_limit"


class BadForks:
    forks = ("not a function",)


class Fine:
    def before_process_message(self, broker: Any, message: Any) -> None: ...


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Fine, r"found the class Fine, expected an object with hooks: write hooks\(Fine\(\)\)"),
        (Nothing(), "expected an object with hooks such as before_process_message: see fq.class_style.Middleware"),
        (42, "found 42, expected an object with hooks"),
        (WrongShape(), r"WrongShape.before_process_message cannot be called as before_process_message\(broker, message\)"),
        (
            TooMany(),
            r"TooMany.before_enqueue cannot be called as before_enqueue\(broker, message, delay\): found .*missing.*'queue'",
        ),
        (NoKeywords(), r"cannot be called as after_process_message\(broker, message, \*, result, exception\)"),
        (NotCallable(), r"NotCallable.before_ack: found 3, expected a method that can be called as before_ack\(broker, message\)"),
        (Async(), "Async.before_process_message is a coroutine function, expected a plain method"),
        (BadForks(), r"BadForks.forks: found \('not a function',\), expected a list of functions"),
        (BadOptions(), "BadOptions.actor_options: found 'rate_limit', expected a set of names"),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_what_cannot_be_adapted_is_one_clear_error(given: object, said: str) -> None:
    with pytest.raises(StackError, match=said) as raised:
        hooks(given)

    assert "\n" not in str(raised.value)


def test_a_middleware_that_was_not_adapted_is_refused_with_what_to_write() -> None:
    with pytest.raises(StackError, match=r"expected a layer: .*hooks\(\.\.\.\)"):
        compose(Fine())  # type: ignore[arg-type]


def test_hooks_that_the_base_class_only_has_are_not_called() -> None:
    class One(Middleware):
        def before_ack(self, broker: Any, message: Any) -> None: ...

    assert set(hooks(One()).hooks) == {"before_ack"}
    assert set(hooks(Middleware()).hooks) == set()


def test_the_base_class_has_every_hook_and_documents_it() -> None:
    assert {name for name, value in vars(Middleware).items() if not name.startswith("_")} == {*HOOKS, "actor_options", "forks"}
    assert all(getattr(Middleware, name).__doc__ for name in HOOKS)


def test_a_hook_may_be_any_callable() -> None:
    middleware = Nothing()
    middleware.before_ack = partial(print, end="")  # type: ignore[attr-defined]

    assert set(hooks(middleware).hooks) == {"before_ack"}


@pytest.mark.parametrize("options", [{"a", "b"}, ["a", "b"], frozenset("ab")], ids=lambda options: type(options).__name__)
def test_options_may_be_an_attribute_of_the_class(options: object) -> None:
    middleware = type("Options", (), {"actor_options": options})()

    assert hooks(middleware).accepted_options() == {"a", "b"}


def test_options_may_be_a_property() -> None:
    class Options:
        @property
        def actor_options(self) -> set[str]:
            return {"a"}

    assert hooks(Options()).accepted_options() == {"a"}


def test_forks_are_those_of_the_middleware() -> None:
    class Forks:
        forks = (print,)

    assert hooks(Forks()).forks == (print,)
    assert hooks(Fine()).forks == ()
