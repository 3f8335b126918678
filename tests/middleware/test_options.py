"""The typed options, held against the layers whose fields they are."""

import typing

from fq import App, Middleware, default_middleware, keep, unique
from fq.middleware.options import NON_LAYER_OPTIONS, CallOptions, Options


def names(options: type) -> set[str]:
    return set(typing.get_type_hints(options))


def test_every_option_of_the_layers_is_typed_and_every_typed_option_is_a_field() -> None:
    assert names(Options) == default_middleware.add(keep()).add(unique()).accepted_options() | NON_LAYER_OPTIONS


def test_what_is_said_of_a_call_may_be_said_of_an_actor() -> None:
    assert names(CallOptions) <= names(Options)


def test_what_cannot_travel_is_said_of_actors_only() -> None:
    assert names(Options) - names(CallOptions) == {"name", "stack", "interval", "retry_when", "throws", "redact"}


def test_every_option_is_optional() -> None:
    assert not CallOptions.__required_keys__
    assert not Options.__required_keys__


def test_what_fq_itself_understands_is_no_field_of_a_layer() -> None:
    assert not NON_LAYER_OPTIONS & default_middleware.accepted_options()


def test_a_layer_that_takes_no_option_says_so() -> None:
    assert Middleware.option_names() == frozenset()
    assert App("memory://").stack.accepted_options() == default_middleware.accepted_options()
