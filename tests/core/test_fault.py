"""`Fault`: an error as data."""

import json
from traceback import format_exception

import pytest

from fq.core.fault import MAX_TEXT, MAX_TRACEBACK, Fault
from fq.errors import TimeLimitExceeded
from fq.errors.exception_text import is_formattable, traceback_of


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


class Hostile(Exception):
    """Raises at every look that its class can get in the way of."""

    def __str__(self) -> str:
        raise SystemExit

    __repr__ = __str__

    def __getattr__(self, name: str) -> object:
        raise KeyError(name)

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise RuntimeError("no class")

    @property
    def __traceback__(self) -> None:  # type: ignore[override]
        raise RuntimeError("no traceback")

    @property
    def __cause__(self) -> None:  # type: ignore[override]
        raise RuntimeError("no cause")

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]
        raise RuntimeError("no notes")


def test_an_error_that_raises_whenever_it_is_looked_at_is_written_down_all_the_same() -> None:
    fault = Fault.of(raised(Hostile()))

    assert (fault.type, fault.message) == ("Hostile", "its text cannot be had: __str__ raised SystemExit")
    assert "raise error" in fault.traceback
    assert not is_formattable(Hostile())


def test_a_syntax_error_with_odd_details_is_written_down() -> None:
    fault = Fault.of(raised(SyntaxError("bad template", ("page.html", 1, 2, 12345))))  # type: ignore[arg-type]

    assert fault.type == "SyntaxError"
    assert "bad template" in fault.message


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


def test_causes_that_go_round_in_circles_or_have_no_end_are_cut() -> None:
    one, two = raised(ValueError("one")), raised(ValueError("two"))
    one.__cause__, two.__cause__ = two, one
    assert Fault.of(one).traceback.count("ValueError") == 2

    error: BaseException = raised(ValueError(0))
    for number in range(1, 5_000):
        later = ValueError(number)
        later.__context__ = error
        error = later
    traceback = traceback_of(error)
    assert "what was before that is left out" in traceback or traceback == ""


def test_the_members_of_a_group_are_written_up_to_a_limit() -> None:
    wide = raised(ExceptionGroup("many", [ValueError(n) for n in range(50_000)]))
    deep: Exception = ValueError("bottom")
    for _ in range(900):
        deep = ExceptionGroup("deep", [deep])

    assert "2 of 50000" in traceback_of(wide)
    assert "and 49985 more" in traceback_of(wide)
    assert len(Fault.of(raised(deep)).traceback) < MAX_TRACEBACK + 100
    assert not is_formattable(wide)
    assert not is_formattable(deep)


def test_the_traceback_of_a_group_shows_those_of_its_members() -> None:
    traceback = traceback_of(raised(ExceptionGroup("two", [raised(KeyError("a")), ValueError("b")])))

    assert "ExceptionGroup: two (2 sub-exceptions)" in traceback
    assert "KeyError: 'a'" in traceback
    assert traceback.count("Traceback (most recent call last)") == 2


def test_a_traceback_is_nearly_that_of_python() -> None:
    error = raised(ValueError("no"))
    error.add_note("a note")

    assert Fault.of(error).traceback == "".join(format_exception(error))
