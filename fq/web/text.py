"""How numbers, times and foreign text read on a page. Pure."""

import json
from datetime import UTC, datetime

from markupsafe import Markup, escape

from fq.core.printable import printable

UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def duration(ms: int) -> str:
    """
    Return *ms* as a person says it, in at most two units.

    >>> [duration(ms) for ms in (0, 350, 4_200, 65_000, 7_500_000, 200_000_000)]
    ['0 ms', '350 ms', '4.2 s', '1 min 5 s', '2 h 5 min', '2 d 7 h']
    """
    if ms < 1_000:
        return f"{ms} ms"
    if ms < 10_000:
        return f"{ms / 1_000:.1f} s"
    for at, (size, name) in enumerate(UNITS):
        if ms >= size:
            whole, rest = divmod(ms, size)
            below, unit = UNITS[at + 1] if at + 1 < len(UNITS) else (size, "")
            return f"{whole} {name} {rest // below} {unit}" if rest // below and unit else f"{whole} {name}"
    raise AssertionError(ms)


def number(value: int) -> str:
    """Return *value* with commas between thousands."""
    return f"{value:,}"


def things(count: int, thing: str) -> str:
    """
    Return the word for *count* of a *thing*.

    >>> things(1, "worker process"), things(2, "worker process"), things(2, "queue")
    ('worker process', 'worker processes', 'queues')
    """
    return thing if count == 1 else f"{thing}es" if thing.endswith("s") else f"{thing}s"


def rows(value: str) -> int:
    """Return how many rows a field for *value* has, so that it shows all of it, or a good part."""
    return min(24, max(3, value.count("\n") + 2))


def memory(size: int) -> str:
    """
    Return *size*, bytes, as a person says it.

    >>> memory(84_500_000), memory(2_340_000_000)
    ('84 MB', '2.3 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1_000_000_000 else f"{size // 1_000_000} MB"


def moment(ms: int, now: int) -> Markup:
    """Return the time *ms* as a ``<time>`` that reads relative to *now*, with the exact one for programs and as its title."""
    if not ms:
        return Markup("–")
    exact = iso(ms)
    relative = "now" if abs(now - ms) < 1_000 else f"{duration(now - ms)} ago" if ms < now else f"in {duration(ms - now)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, relative)


def iso(ms: int) -> str:
    """Return the time *ms* since the epoch as ISO 8601; out of range, as the number."""
    try:
        return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(ms)


def shown(value: object) -> object:
    """Return *value* for a template: the control characters of a text are written out, so that it is what it looks like."""
    if value is None:
        return ""
    return value if isinstance(value, Markup) or not isinstance(value, str) else printable(value, lines=True)


def first_line(text: str, limit: int = 200) -> str:
    """Return the first line of *text*, cut to *limit* characters."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"


def safe(markup: str, *values: object) -> Markup:
    """Return *markup* with escaped *values* in its gaps."""
    return Markup(markup).format(*(escape(shown(value)) for value in values))


def as_json(value: object) -> str:
    r"""
    Return *value* as JSON to read and edit. Invisible characters are escaped as in JSON, so that it is still JSON on a page.

    >>> print(as_json("Zoë\x85\u202e"))
    "Zoë\u0085\u202e"
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


MOST_DIGITS = 18


def natural(text: str, default: int) -> int:
    """
    Return the natural number that *text* is, *default* if it is none; at most what 18 digits say.

    >>> natural("17", 5), natural("", 5), natural("-1", 5), natural("9" * 5_000, 5) == 10**18 - 1
    (17, 5, 5, True)
    """
    if not (text.isascii() and text.isdigit()):
        return default
    return int(text) if len(text) <= MOST_DIGITS else 10**MOST_DIGITS - 1
