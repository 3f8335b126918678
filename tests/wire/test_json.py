"""JSON is read alike with and without msgspec: the same values of the same types, or the same error."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fq.wire.json import loads, loads_plainly

pytest.importorskip("msgspec")

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.integers(-(10**400), 10**400)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=12
)
NUMBERS = st.from_regex(r"\A-?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,4})?\Z")
PIECES = st.lists(
    st.sampled_from(
        [*'{}[]:,"\\/ \t\n\r\x00\x7f0123456789eE+-.', "true", "null", "NaN", "Infinity", "\\ud800", "\\udc00", "\ud800", "é", "\ufeff"]
    )
)


on_any_machine = settings(suppress_health_check=[HealthCheck.too_slow])


def read(read_json: object, text: str) -> tuple[type, str]:
    """Return the type and the text of the value, or of the error."""
    assert callable(read_json)
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as error:
        return type(error), str(error)
    return type(value), repr(value)


@on_any_machine
@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_is_written_is_read_alike(value: object, escapes: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=escapes, indent=indent)

    assert read(loads, text) == read(loads_plainly, text)


@on_any_machine
@given(NUMBERS)
@example("-0")
@example("-0.0")
@example("1e400")
@example("18446744073709551616")
@example("1" * 5_000)
def test_numbers_are_read_alike(text: str) -> None:
    assert read(loads, text) == read(loads_plainly, text)


@on_any_machine
@given(PIECES.map("".join))
@example('{"a":1,"a":2,"b":3}')
@example('{"b":1,"a":{}}')
@example('"\\ud83d\\ude00"')
@example('"\\ud83d"')
@example("")
@example("\ufeff1")
def test_what_is_no_json_is_refused_alike(text: str) -> None:
    assert read(loads, text) == read(loads_plainly, text)
