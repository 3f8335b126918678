"""`Schedule`: a call, and when to send it; as a user writes it. ``fq.schedules.stored`` has the form that a broker keeps."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict, cast

from attrs import Attribute, field, frozen
from attrs.validators import optional

from fq.calls.call import Call
from fq.calls.templates import CallTemplate, first_calls, has_due
from fq.core.duration import Duration, to_ms
from fq.core.uniqueness import MAX_KEY_BYTES
from fq.errors import InvalidArguments, OptionError, ScheduleError
from fq.schedules.when import Cron, Every, When

KEY_PREFIX = "schedule:"
"""What the keys of the marks of schedules begin with, and the unique keys of their messages."""

CatchUp: TypeAlias = Literal["skip", "once", "all"]
Overlap: TypeAlias = Literal["allow", "skip", "queue"]


class ScheduleOptions(TypedDict, total=False):
    """The options of a schedule: see `Schedule`."""

    catch_up: CatchUp
    grace: Duration | None
    overlap: Overlap
    splay: Duration


def _one_of(*allowed: str) -> "Callable[[Schedule, Attribute[Any], str], None]":
    def check(schedule: "Schedule", attribute: "Attribute[Any]", value: str) -> None:
        if value not in allowed:
            raise _error(schedule, f"{attribute.name}: found {value!r}, expected one of {', '.join(map(repr, allowed))}")

    return check


def _check_duration(schedule: "Schedule", attribute: "Attribute[Any]", value: object) -> None:
    try:
        to_ms(cast("Duration", value))
    except OptionError as error:
        raise _error(schedule, f"{attribute.name}: {error}") from None


def _check_name(_: object, __: object, value: str) -> None:
    check_name(value)


def _check_when(schedule: "Schedule", _: object, value: When) -> None:
    if not issubclass(type(value), Cron | Every):
        raise _error(schedule, f"when: found {value!r}, expected cron('0 9 * * *') or every(timedelta(minutes=5))")


def _check_call(schedule: "Schedule", _: object, value: object) -> None:
    if not isinstance(value, Call):
        raise _error(schedule, f"call: found {value!r}, expected a call: write actor.call(...)")
    for call in first_calls(value.steps):
        if call.missing_arguments_error:
            raise InvalidArguments(call.missing_arguments_error)
    if has_due(value.steps):
        raise _error(schedule, "call: found a call at a fixed time, expected one with a delay after each tick, or without: leave `at` out")
    if value.chosen_id:
        raise _error(schedule, f"call: found with_id({value.chosen_id!r}), expected none: each tick sends a message with an id of its own")


def _check_overlap(schedule: "Schedule", _: object, value: str) -> None:
    if value == "allow":
        return
    first, *rest = schedule.call.steps
    if rest or not isinstance(first, CallTemplate):
        raise _error(schedule, f"overlap: found {value!r} for a workflow, expected 'allow': only the call of one actor can exclude others")
    if first.uniqueness is not None:
        raise _error(schedule, f"overlap: found {value!r} and a call with a unique key, expected one of them: overlap takes a key")


def _error(schedule: "Schedule", text: str) -> ScheduleError:
    return ScheduleError(f"schedule {schedule.name!r}: {text}")


def check_name(name: object) -> None:
    """Raise `ScheduleError` unless *name* may name a schedule."""
    most = MAX_KEY_BYTES - len(KEY_PREFIX)
    if not (isinstance(name, str) and name.strip() and name.isprintable() and len(name.encode()) <= most):
        raise ScheduleError(
            f"found the name {name!r:.80} of a schedule, expected a text of 1 to {most} bytes that can be printed, on one line"
        )


@frozen
class Schedule:
    """
    A call that is sent again and again. *call* may be a pipeline or a group.

    >>> from datetime import timedelta
    >>> from fq import App, cron
    >>> app = App("memory://")
    >>> @app.actor
    ... def digest(customer: int) -> None: ...
    >>> daily = Schedule("customer 17", cron("0 6 * * *", tz="America/New_York"), digest.call(17), grace=timedelta(hours=1))
    >>> daily.catch_up
    'once'

    Attributes:
        name: its name; two schedules of a broker have different ones.

        when: when it ticks: made by `cron` or `every`.

        call: what is sent at each tick.

        catch_up: what to do about ticks that no worker saw in time: ``"once"`` sends the latest of them, ``"all"`` sends each, ``"skip"`` none.

        grace: a tick that is later than this, ms or timedelta, is not caught up. Default: the time between two ticks, an hour at most.

        overlap: what to do while the message of an earlier tick waits or runs: ``"allow"`` another; ``"skip"`` the tick; ``"queue"`` one, which begins
            when the earlier one has ended. Only ``"allow"`` for a workflow.

        splay: send up to this much later, ms or timedelta, the same for the same tick, and always before the next one.

    Raises:
        ScheduleError: a bad name or option; says what was found and what is expected.
        InvalidArguments: the call lacks arguments.
    """

    name: str = field(validator=_check_name)
    when: When = field(validator=_check_when)
    call: Call[object] = field(validator=_check_call)
    catch_up: CatchUp = field(default="once", validator=_one_of("skip", "once", "all"), kw_only=True)
    grace: Duration | None = field(default=None, validator=optional(_check_duration), kw_only=True)
    overlap: Overlap = field(default="allow", validator=[_one_of("allow", "skip", "queue"), _check_overlap], kw_only=True)
    splay: Duration = field(default=0, validator=_check_duration, kw_only=True)
