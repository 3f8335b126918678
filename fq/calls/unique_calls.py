"""The unique key that a call itself is given, by `Call.unique` or `Call.with_id`: it goes into the options of the first message."""

from collections.abc import Mapping

from attrs import evolve

from fq.calls.templates import CallTemplate, StepTemplate
from fq.core.frozen import frozen_dict
from fq.core.reserved_options import UNIQUE
from fq.core.uniqueness import ID_PREFIX, NOT_UNIQUE, Uniqueness, id_key
from fq.errors import DeclarationError, OptionError

DEFAULT_REMEMBER_MS = 24 * 60 * 60 * 1000
"""How long `Call.with_id` remembers an id by default, ms: a day."""


def with_key(first: StepTemplate, key: Uniqueness | None) -> StepTemplate:
    """
    Return *first*, the first step of a call, with the unique *key*, or without any.

    Raises:
        OptionError: the key looks like that of an id, or the step has an id.
        DeclarationError: it is a group.
    """
    if key is not None and key.key.startswith(ID_PREFIX):
        raise OptionError(f"found the unique key {key.key!r}, expected one that does not begin with {ID_PREFIX!r}, as those of with_id do")
    if chosen_id(first):
        raise OptionError(f"found with_id({chosen_id(first)!r}) and a unique key on one call, expected one of them: with_id takes a key")
    return _with_option(first, NOT_UNIQUE if key is None else key.as_json())


def with_id(first: StepTemplate, message_id: str, remember: int) -> StepTemplate:
    """
    Return *first*, the first step of a call, with *message_id*, which is remembered for *remember* ms.

    Raises:
        OptionError: no id, or the step has a unique key.
        DeclarationError: it is a group.
    """
    if not isinstance(message_id, str) or not message_id:
        raise OptionError(f"found the message id {message_id!r}, expected a text that is not empty")
    if isinstance(first, CallTemplate) and first.options.get(UNIQUE) and not chosen_id(first):
        raise OptionError("found a unique key and with_id on one call, expected one of them: with_id takes a key")
    return _with_option(first, Uniqueness(id_key(message_id), window=remember).as_json())


def chosen_id(first: StepTemplate) -> str:
    """Return the message id that `with_id` gave *first*; ``""`` if none."""
    option = first.options.get(UNIQUE)
    key = str(option["key"]) if isinstance(option, Mapping) else ""
    return key.removeprefix(ID_PREFIX) if key.startswith(ID_PREFIX) else ""


def _with_option(first: StepTemplate, option: object) -> CallTemplate:
    if not isinstance(first, CallTemplate):
        raise DeclarationError("found a group, expected a call: a group has no message of its own that could hold a unique key")
    return evolve(first, options=frozen_dict({**first.options, UNIQUE: option}))
