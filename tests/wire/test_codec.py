"""The wire form: golden vectors, round trips, and garbage of every kind."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from returns.result import Failure, Success

from fq import DecodeError, InvalidResult, Message, Retry, retries
from fq.core.fault import Fault
from fq.core.message import evolve_message
from fq.core.outcome import Outcome
from fq.testing import message
from fq.wire.codec import as_json, decode, decode_result, encode, encode_result, encode_value, json_error

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy

WIRE: dict[str, Any] = json.loads((Path(__file__).parent / "wire.json").read_text(encoding="utf-8"))


def vectors(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", WIRE[kind], ids=lambda vector: vector["what"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
FIELDS = {"message_id", "actor_name", "queue_name", "args", "kwargs", "options", "message_timestamp", "priority"}
MESSAGES = st.builds(
    Message,
    message_id=st.text(min_size=1),
    actor_name=st.text(min_size=1),
    queue_name=st.text(),
    args=st.lists(JSON, max_size=4),
    kwargs=OBJECTS,
    options=OBJECTS,
    message_timestamp=st.integers(),
    priority=st.integers(),
    extra=st.dictionaries(st.text().filter(lambda name: name not in FIELDS), JSON, max_size=3),
)


@vectors("written")
def test_the_wire_form_is_the_golden_one(vector: dict[str, Any]) -> None:
    built = Message(**vector["message"])

    assert encode(built) == vector["body"].encode()
    assert decode(vector["body"].encode()) == built


@vectors("read")
def test_a_body_from_elsewhere_reads_as_the_golden_message(vector: dict[str, Any]) -> None:
    read = decode(vector["body"].encode())

    assert read == Message(**vector["message"])
    assert encode(read) == vector["rewritten"].encode()


@vectors("refused")
def test_a_body_that_is_no_message_is_refused_with_what_was_found_and_expected(vector: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(vector["body"].encode())

    assert str(caught.value) == f"found {vector['body'].encode()!r}, {vector['because']}"


@patient
@given(MESSAGES)
def test_what_was_encoded_decodes_as_what_it_was(built: Message) -> None:
    body = encode(built)

    assert decode(body) == built
    assert encode(decode(body)) == body
    assert body == json.dumps(as_json(built), separators=(",", ":")).encode()
    assert body.isascii()


@patient
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | OBJECTS.map(lambda fields: json.dumps(fields).encode()))
def test_any_bytes_are_a_message_or_a_decode_error(body: bytes) -> None:
    try:
        outcome: object = decode(body)
    except DecodeError as error:
        outcome = str(error)

    assert isinstance(outcome, Message) or re.match(r"found b.*, expected a message", str(outcome), re.DOTALL)


@patient
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(FIELDS), JSON)))
def test_known_fields_of_any_type_are_a_sound_message_or_a_decode_error(fields: dict[str, Any]) -> None:
    try:
        read = decode(json.dumps(fields).encode())
    except DecodeError:
        return

    assert Message(**{name: getattr(read, name) for name in FIELDS}) == read
    assert decode(encode(read)) == read


def test_a_delivery_stamps_the_message() -> None:
    read = decode(encode(message("add")), received_at=5, deliveries=3, interrupted="time_limit")

    assert read == evolve_message(message("add"), received_at=5, deliveries=3, interrupted="time_limit")


def test_the_facts_of_a_delivery_are_never_encoded() -> None:
    stamped = message("add", received_at=5, deliveries=3, interrupted="time_limit")

    assert encode(evolve_message(stamped, time_limit=9)) == encode(message("add"))


def test_unknown_fields_travel_through_a_retry() -> None:
    read = decode(b'{"message_id":"m1","actor_name":"add","trace":{"id":7}}')
    setback = retries().wrap(lambda _: Outcome.failure(ValueError("no")))(read).result.failure()

    assert isinstance(setback, Retry)
    assert json.loads(encode(setback.message))["trace"] == {"id": 7}
    assert decode(encode(setback.message)).options == {"retries": 1}


def test_a_decoded_message_cannot_be_changed() -> None:
    read = decode(encode(message("add", tenant="a")))

    assert isinstance(read.args, tuple)
    with pytest.raises(TypeError):
        read.options["tenant"] = "b"  # type: ignore[index]


def test_a_lone_surrogate_travels_as_text() -> None:
    built = message("add", "\ud800")

    assert encode(built).isascii()
    assert decode(encode(built)) == built


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(DecodeError, match="UnicodeDecodeError"):
        decode(b'{"message_id":"\xff"}')


def test_numbers_that_json_does_not_know_travel_as_python_writes_them() -> None:
    read = decode(encode(message("add", math.inf, -math.inf, math.nan, time_limit=math.inf)))

    assert read.args[:2] == (math.inf, -math.inf)
    assert isinstance(read.args[2], float)
    assert math.isnan(read.args[2])
    assert read.options == {"time_limit": math.inf}


def test_a_large_number_travels_whole_and_one_too_large_to_print_is_refused_on_both_sides() -> None:
    large = message("add", 10**4_000)

    assert decode(encode(large)) == large
    with pytest.raises(InvalidResult, match=r"cannot be encoded as JSON: Exceeds the limit"):
        encode(message("add", 10**5_000))
    with pytest.raises(DecodeError, match=r"ValueError: Exceeds the limit"):
        decode(b'{"priority":1' + b"0" * 5_000 + b"}")


def test_nesting_without_end_is_refused_on_both_sides() -> None:
    deep: list[object] = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(InvalidResult, match=r"^add.*: cannot be encoded as JSON: it contains itself, or is nested too deeply$"):
        encode(message("add", deep))
    with pytest.raises(DecodeError, match=r"expected a message as JSON: RecursionError"):
        decode(b"[" * 200_000)
    while deep:  # taken apart from the outside: freeing it at once would need as deep a stack
        deep = deep[0]  # type: ignore[assignment]


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)

    with pytest.raises(InvalidResult, match=r"^add: cannot be encoded as JSON: it contains itself, or is nested too deeply$"):
        encode(message("add", loop))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"x", "value: found b'x' of type bytes, expected a JSON value; annotate it to have it converted"),
        ({"a": [1, {2}]}, "value.a[1]: found {2} of type set, expected a JSON value; annotate it to have it converted"),
        ({"a": {(1, 2): 3}}, "value.a: found the key (1, 2), expected str, as JSON has no other keys; annotate it to have it converted"),
        (
            [1, [2, [object]]],
            "value[1][1][0]: found <class 'object'> of type type, expected a JSON value; annotate it to have it converted",
        ),
    ],
)
def test_a_value_that_is_not_json_is_refused_with_its_path(value: object, text: str) -> None:
    with pytest.raises(InvalidResult) as caught:
        encode_value(value)

    assert str(caught.value) == text
    assert json_error(value, "value") == text


@patient
@given(JSON)
def test_a_value_that_is_json_has_no_path_to_complain_of(value: object) -> None:
    assert json_error(value, "value") is None
    assert json.loads(encode_value(value)) == value


def test_a_value_of_a_subclass_of_a_json_type_is_json() -> None:
    class Name(str):
        __slots__ = ()

    assert json_error([Name("a"), True], "value") is None
    assert encode_value(Name("a")) == b'"a"'


def test_a_message_with_a_value_that_is_not_json_names_the_actor_and_the_path() -> None:
    with pytest.raises(InvalidResult, match=r"^add\.args\[1\]: found .* of type object, expected a JSON value"):
        encode(message("add", 1, object()))
    with pytest.raises(InvalidResult, match=r"^add\.options\.when: found .* of type object"):
        encode(message("add", when=object()))


@patient
@given(JSON)
def test_a_stored_success_reads_back(value: object) -> None:
    assert decode_result(encode_result(Success(value))) == Success(value)


def test_a_stored_fault_reads_back() -> None:
    fault = Fault("ValueError", "no \U0001f600", "Traceback ...")

    assert decode_result(encode_result(Failure(fault))) == Failure(fault)


def test_the_stored_forms_are_golden() -> None:
    assert encode_result(Success([1, None])) == b'{"value":[1,null]}'
    assert encode_result(Failure(Fault("E", "no", "tb"))) == b'{"fault":{"type":"E","message":"no","traceback":"tb"}}'


def test_a_result_that_is_not_json_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidResult, match=r"^result\.items\[1\]: found .* of type object, expected a JSON value"):
        encode_result(Success({"items": [1, object()]}))
