"""`Fault`: an error as data."""

import json

import pytest

from fq.errors import TimeLimitExceeded
from fq.fault import Fault


def raised(error: BaseException) -> BaseException:
    """Return *error*, with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


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


def test_the_cause_of_an_error_is_in_its_traceback() -> None:
    try:
        raise KeyError("deep") from raised(OSError("disk"))
    except KeyError as error:
        fault = Fault.of(error)

    assert "OSError: disk" in fault.traceback
    assert "KeyError: 'deep'" in fault.traceback


def test_of_a_long_traceback_the_last_frames_are_kept() -> None:
    def deeper(n: int) -> None:
        if n == 0:
            raise ValueError("bottom")
        if n % 2:
            deeper(n - 1)
        else:
            deeper(n - 1)  # on another line, or Python would not repeat the frames but count them

    try:
        deeper(200)
    except ValueError as error:
        fault = Fault.of(error)

    assert 'raise ValueError("bottom")' in fault.traceback
    assert len(fault.traceback) < 10_000


def test_an_error_without_a_text_does_no_harm() -> None:
    fault = Fault.of(raised(Unprintable()))

    assert fault.type == "Unprintable"
    assert fault.message == "its text cannot be had: __str__ raised ZeroDivisionError"


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
