"""`Uniqueness`: which keys and terms go together, and its form in the options of a message."""

from typing import Any

import pytest
from attrs import fields

from fq import OptionError
from fq.core.reserved_options import RESERVED, UNIQUE
from fq.core.uniqueness import MAX_KEY_BYTES, Uniqueness, digest_key


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"key": "k"}, {"key": "k"}),
        ({"key": "k", "until": "start"}, {"key": "k", "until": "start"}),
        ({"key": "k", "until": "end", "window": 0, "on_conflict": "keep", "max_wait": 0}, {"key": "k"}),
        ({"key": "k", "window": 5}, {"key": "k", "window": 5}),
        ({"key": "k", "on_conflict": "raise"}, {"key": "k", "on_conflict": "raise"}),
        ({"key": "k", "on_conflict": "after"}, {"key": "k", "on_conflict": "after"}),
        ({"key": "k", "on_conflict": "replace", "max_wait": 9}, {"key": "k", "on_conflict": "replace", "max_wait": 9}),
    ],
    ids=str,
)
def test_what_is_written_is_read_as_it_was(fields: dict[str, Any], written: dict[str, Any]) -> None:
    made = Uniqueness(**fields)

    assert made.as_json() == written
    assert Uniqueness.in_options({UNIQUE: written}) == made
    assert RESERVED[UNIQUE](written)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"key": ""}, "found the unique key '', expected a text that is not empty"),
        ({"key": "a\0"}, "without NUL"),
        ({"key": "\ud800"}, "lone surrogates"),
        ({"key": 7}, "found the unique key 7, expected a text"),
        ({"key": None}, "found the unique key None, expected a text"),
        ({"key": "é" * 600}, "of 1,200 bytes"),
        ({"key": "k", "until": "never"}, "found 'never', expected 'start' or 'end'"),
        ({"key": "k", "on_conflict": "drop"}, "found 'drop', expected 'keep', 'raise', 'replace' or 'after'"),
        ({"key": "k", "window": -1}, "found -1, expected a duration"),
        ({"key": "k", "max_wait": 5}, "max_wait=5 with on_conflict='keep', expected 'replace'"),
        ({"key": "k", "max_wait": 5, "on_conflict": "after"}, "expected 'replace'"),
        ({"key": "k", "on_conflict": "after", "until": "start"}, "expected until='end'"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused_with_the_reason(fields: dict[str, Any], found: str) -> None:
    with pytest.raises(OptionError) as caught:
        Uniqueness(**fields)

    assert found in str(caught.value)


def test_every_field_is_written_unless_it_has_its_default() -> None:
    names = [field.name for field in fields(Uniqueness)]
    changed = Uniqueness("k", "start", 5, "replace", 9)

    assert list(changed.as_json()) == names
    assert Uniqueness("k").as_json() == {"key": "k"}


def test_the_longest_key_is_accepted() -> None:
    assert Uniqueness("k" * MAX_KEY_BYTES).key == "k" * MAX_KEY_BYTES


def test_a_message_has_no_key_unless_its_options_name_one() -> None:
    assert Uniqueness.in_options({}) is None
    assert Uniqueness.in_options({UNIQUE: False}) is None


@pytest.mark.parametrize("written", [True, 5, [], {}, {"key": "k", "other": 1}, {"key": 3}], ids=str)
def test_an_option_of_a_foreign_producer_that_is_no_key_is_refused(written: object) -> None:
    with pytest.raises(OptionError):
        Uniqueness.in_options({UNIQUE: written})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": "é"}, {"a": "e"}, False),
        ({"a": None}, {}, False),
    ],
    ids=str,
)
def test_equal_values_and_no_others_have_equal_keys(one: object, other: object, same: bool) -> None:
    assert (digest_key("s", one) == digest_key("s", other)) is same
    assert digest_key("s", one) != digest_key("t", one)
