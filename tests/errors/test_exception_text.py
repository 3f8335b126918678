"""Exceptions as text, whatever their classes do."""

from traceback import format_exception

from fq.core.fault import MAX_TRACEBACK, Fault
from fq.errors.exception_text import is_formattable, traceback_of
from tests.errors.bad_exceptions import Hostile, raised


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


def test_an_error_that_raises_whenever_it_is_looked_at_is_written_down_all_the_same() -> None:
    fault = Fault.of(raised(Hostile()))

    assert (fault.type, fault.message) == ("Hostile", "no text: __str__ raised SystemExit")
    assert "raise error" in fault.traceback
    assert not is_formattable(Hostile())


def test_a_syntax_error_with_odd_details_is_written_down() -> None:
    fault = Fault.of(raised(SyntaxError("bad template", ("page.html", 1, 2, 12345))))  # type: ignore[arg-type]

    assert fault.type == "SyntaxError"
    assert "bad template" in fault.message


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
    assert "earlier exceptions are left out" in traceback or traceback == ""


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
