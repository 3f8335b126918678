"""`Fault`: an error as data."""

import json

import pytest

from fq.core.fault import MAX_TEXT, MAX_TRACEBACK, Fault
from fq.errors import TimeLimitExceeded
from tests.errors.bad_exceptions import raised


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError


def test_a_fault_keeps_the_type_the_text_and_the_traceback() -> None:
    fault = Fault.of(raised(ValueError("no")))

    assert (fault.type, fault.message) == ("ValueError", "no")
    assert fault.traceback.startswith("Traceback (most recent call last):\n")
    assert fault.traceback.endswith("ValueError: no\n")
    assert "raise error" in fault.traceback


def test_an_error_that_was_never_raised_has_no_traceback() -> None:
    assert Fault.of(TimeLimitExceeded("slow")) == Fault("TimeLimitExceeded", "slow", "")


def test_an_error_without_a_text_does_no_harm() -> None:
    fault = Fault.of(raised(Unprintable()))

    assert fault.type == "Unprintable"
    assert fault.message == "no text: __str__ raised ZeroDivisionError"


@pytest.mark.parametrize(("text", "kept"), [("caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"), ("file \udcff", "file \\udcff")])
def test_a_text_that_is_not_unicode_becomes_one_that_every_broker_can_keep(text: str, kept: str) -> None:
    fault = Fault.of(raised(OSError(text)))

    assert fault.message == kept
    assert fault.traceback.encode()


def test_a_fault_survives_its_wire_form() -> None:
    fault = Fault.of(raised(ValueError("no")))

    assert Fault.from_json(json.loads(json.dumps(fault.as_json()))) == fault


@pytest.mark.parametrize("fields", [{}, {"type": "ValueError"}, {"type": 3, "other": 4}])
def test_what_a_foreign_fault_lacks_is_empty(fields: dict[str, object]) -> None:
    assert Fault.from_json(fields) == Fault(str(fields.get("type", "")), "", "")


def test_text_notes_and_traceback_are_cut_and_say_so() -> None:
    error = ValueError("INSERT " + "x" * 3_000_000 + " END")
    error.add_note("n" * 1_000_000)
    fault = Fault.of(raised(error))

    assert len(fault.message) < MAX_TEXT + 100
    assert len(fault.traceback) < MAX_TRACEBACK + 100
    assert fault.message.startswith("INSERT xxx")
    assert fault.message.endswith("xxx END")
    assert "characters cut" in fault.message
    assert not fault.whole
    assert Fault.of(raised(ValueError("short"))).whole
