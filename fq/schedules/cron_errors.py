"""`explain_cron_error`: says where a cron expression is wrong, and what is expected there. Pure."""

import re
from collections.abc import Callable

from attrs import frozen

from fq.core.counted import counted

IsValid = Callable[[str], bool]
"""Can this expression be used?"""


@frozen
class Field:
    """One field of an expression: what it is called, and what it takes."""

    name: str
    takes: str
    extra: str = ""


FIELDS = (
    Field("second", "0 to 59"),
    Field("minute", "0 to 59"),
    Field("hour", "0 to 23"),
    Field("day of month", "1 to 31", "L for the last day, LW for the last working day"),
    Field("month", "1 to 12 or JAN to DEC"),
    Field("day of week", "0 to 7 or SUN to SAT (0 and 7 are Sunday)", "MON#1 for the first Monday, 5L for the last Friday"),
)

NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Names that some programs have for expressions, and what to write instead."""

FORMS = "*, a list such as {0},{1}, a range such as {0}-{1}, a step such as */2"


def explain_cron_error(expression: str, is_valid: IsValid) -> str:
    """Return what is wrong with *expression*, which *is_valid* refuses: the field, its position, and what is expected."""
    parts = list(re.finditer(r"\S+", expression))
    if expression.strip().lower() in NAMED:
        return f"found {expression!r}, expected five fields: write {NAMED[expression.strip().lower()]!r}"
    if len(parts) not in (5, 6):
        return (
            f"found {counted(len(parts), 'field')} in {expression!r}, expected 5: minute, hour, day of month, month, day of week; "
            "or 6, with the second first"
        )
    for at, part in enumerate(parts):
        if not _is_valid_alone(part[0], at, len(parts), is_valid):
            return _field_error(expression, part, at, len(parts), is_valid)
    return f"found {expression!r}, expected days that some month has: it never matches a date"


def _is_valid_alone(text: str, at: int, count: int, is_valid: IsValid) -> bool:
    """Is *text* valid as field number *at* of *count*?"""
    return is_valid(" ".join(text if number == at else "*" for number in range(count)))


def _field_error(expression: str, part: "re.Match[str]", at: int, count: int, is_valid: IsValid) -> str:
    """Return what is wrong with *part*: of a list, with its first wrong term."""
    field, position = FIELDS[at + 6 - count], part.start()
    for term in part[0].split(","):
        if not _is_valid_alone(term, at, count, is_valid):
            break
        position += len(term) + 1
    else:
        term, position = part[0], part.start()
    low, high = ("MON", "FRI") if field.name == "day of week" else ("1", "5")
    forms = FORMS.format(low, high) + (f", {field.extra}" if field.extra else "")
    return (
        f"found {term!r} as the {field.name} of {expression!r}, at character {position + 1} (field {at + 1} of {count}), "
        f"expected {field.takes}; also {forms}"
    )
