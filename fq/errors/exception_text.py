"""
Exceptions as text, safely: the class of an exception may have bugs, its causes may not end, a group may hold thousands.

Only what Python itself keeps of an exception is read, past any property of its class.
"""

import linecache
import traceback
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import cast

from fq.errors.propagation import escapes

FQ_FOLDER = str(Path(__file__).parents[1])
"""The folder of fq: frames of its files are left out where a traceback begins with them."""

MAX_FRAMES = 30
"""How many frames of one traceback are written: the last ones."""

MAX_CHAIN = 10
"""How many exceptions of a chain of causes and contexts are written: the last ones."""

MAX_MEMBERS = 15
"""How many exceptions of a group are written, those of inner groups included."""

MAX_DEPTH = 5
"""How deeply nested groups are written."""

MAX_NOTES = 20
"""How many notes of one exception are written."""

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"

_kind_name = type.__dict__["__name__"].__get__
_kind_qualname = type.__dict__["__qualname__"].__get__
_traceback = BaseException.__dict__["__traceback__"].__get__
_cause = BaseException.__dict__["__cause__"].__get__
_context = BaseException.__dict__["__context__"].__get__
_suppresses = BaseException.__dict__["__suppress_context__"].__get__
_members = BaseExceptionGroup.__dict__["exceptions"].__get__


def is_a(error: object, kinds: type | tuple[type, ...]) -> bool:
    """Is *error* an instance of one of *kinds*? Unlike `isinstance`, it does not ask the object, which may raise."""
    return issubclass(type(error), kinds)


def attribute_of(error: BaseException, attribute: str) -> object:
    """Return the *attribute* of *error*; None if it has none, or reading it raises."""
    try:
        return cast("object", getattr(error, attribute, None))
    except BaseException as worse:
        if escapes(worse):
            raise
        return None


def name_of(error: BaseException) -> str:
    """Return the name of the class of *error*."""
    return str(_kind_name(type(error)))


def text_of(error: BaseException) -> str:
    """Return the text of *error*, or why there is none."""
    try:
        return str(error)
    except BaseException as worse:
        if escapes(worse):
            raise
        return f"no text: __str__ raised {name_of(worse)}"


def frames_of(error: BaseException) -> TracebackType | None:
    """Return the traceback of *error*."""
    found: TracebackType | None = _traceback(error)
    return found


def user_frames_of(error: BaseException) -> TracebackType | None:
    """Return the traceback of *error* without the frames of fq that it begins with; all of it, if there are no others."""
    frames = frames_of(error)
    first = frames
    while first is not None and first.tb_frame.f_code.co_filename.startswith(FQ_FOLDER):
        first = first.tb_next
    return frames if first is None else first


def context_of(error: BaseException) -> BaseException | None:
    """Return the exception that was being handled when *error* was raised."""
    found: BaseException | None = _context(error)
    return found


def traceback_of(error: BaseException) -> str:
    """Return *error* with its traceback and those of its causes, almost as Python prints it; ``""`` if none of them was ever raised."""
    chain = list(_chain(error))
    if not any(frames_of(each) is not None for each, _ in chain):
        return ""
    more = _led_to_by(chain[-1][0])
    lines = [] if more is None else ["(earlier exceptions are left out)\n\n"]
    for each, joint in reversed(chain):
        lines += [*_lines(each, 0, [MAX_MEMBERS]), joint]
    return "".join(lines)


def is_formattable(error: BaseException) -> bool:
    """Can the formatter of Python, which `logging` uses, format *error* in reasonable time? It reads attributes of the classes, too."""
    chain = [each for each, _ in _chain(error)]
    if len(chain) == MAX_CHAIN or any(is_a(each, BaseExceptionGroup) and _size(each) > MAX_MEMBERS for each, _ in _chain(error)):
        return False
    try:
        for each in chain:
            getattr(each, "__notes__", None)
            if each.__traceback__ is not frames_of(each) or each.__cause__ is not _cause(each) or each.__context__ is not _context(each):
                return False
            if is_a(each, SyntaxError):
                traceback.format_exception_only(SyntaxError, each)
    except BaseException as worse:
        if escapes(worse):
            raise
        return False
    return True


def _size(group: BaseException) -> int:
    """Return how many exceptions *group* holds; some number over `MAX_MEMBERS` if it holds more, or nests too deeply."""
    waiting, size = [(group, 0)], 0
    while waiting:
        each, depth = waiting.pop()
        members = _members(each) if is_a(each, BaseExceptionGroup) else ()
        size += len(members) + (MAX_MEMBERS if depth > MAX_DEPTH else 0)
        if size > MAX_MEMBERS:
            break
        waiting += [(member, depth + 1) for member in members]
    return size


def set_context(error: BaseException, earlier: BaseException) -> None:
    """Make *earlier* the context of *error*, as Python does inside an ``except``."""
    last = list(_chain(error))[-1][0]
    if last is not earlier and _led_to_by(last) is None and all(each is not error for each, _ in _chain(earlier)):
        BaseException.__dict__["__context__"].__set__(last, earlier)


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """Yield *error* and the exceptions that led to it, the latest first, each with the sentence between it and the next."""
    seen: set[int] = set()
    each, joint = error, ""
    for _ in range(MAX_CHAIN):
        seen.add(id(each))
        yield each, joint
        found = _led_to_by(each)
        if found is None or id(found[0]) in seen:
            return
        each, joint = found


def _led_to_by(error: BaseException) -> tuple[BaseException, str] | None:
    """Return the exception that led to *error*, and the sentence that says how."""
    if (cause := _cause(error)) is not None:
        return cause, _CAUSE
    context = None if _suppresses(error) else _context(error)
    return None if context is None else (context, _CONTEXT)


def _lines(error: BaseException, depth: int, left: list[int]) -> Iterator[str]:
    """Yield the lines of *error* without its causes, and of the members of a group until none are *left* to write."""
    frames = user_frames_of(error)
    if frames is not None:
        yield "Traceback (most recent call last):\n"
        yield from traceback.StackSummary.from_list([*_last_frames(frames)]).format()
    yield from _summary_lines(error)
    if not is_a(error, BaseExceptionGroup):
        return
    members = _members(error)
    for number, member in enumerate(members, 1):
        left[0] -= 1
        if left[0] < 0 or depth >= MAX_DEPTH:
            yield f"  and {len(members) - number + 1} more\n"
            return
        yield f"  {number} of {len(members)}:\n"
        for line in _lines(member, depth + 1, left):
            yield "".join(f"    {part}" for part in line.splitlines(keepends=True))


def _last_frames(frames: TracebackType | None) -> Iterator[traceback.FrameSummary]:
    """
    Yield the last of *frames*.

    `traceback.extract_tb` would check each time whether each file has changed on the disk: the slowest part of a failure in an event loop.
    """
    last: deque[TracebackType] = deque(maxlen=MAX_FRAMES)
    while frames is not None:
        last.append(frames)
        frames = frames.tb_next
    for each in last:
        code = each.tb_frame.f_code
        linecache.lazycache(code.co_filename, each.tb_frame.f_globals)
        _, end_line, column, end_column = next(islice(code.co_positions(), each.tb_lasti // 2, None), (None, None, None, None))
        yield traceback.FrameSummary(
            code.co_filename, each.tb_lineno, code.co_name, lookup_line=False, end_lineno=end_line, colno=column, end_colno=end_column
        )


def _summary_lines(error: BaseException) -> Iterator[str]:
    """Yield the lines with the class and the text of *error*, and its notes."""
    if is_a(error, SyntaxError):
        try:
            yield from traceback.format_exception_only(SyntaxError, error)
        except BaseException as worse:
            if escapes(worse):
                raise
        else:
            return
    text = text_of(error)
    yield f"{_full_name_of(type(error))}: {text}\n" if text else f"{_full_name_of(type(error))}\n"
    for note in _notes_of(error):
        yield f"{note}\n"


def _full_name_of(kind: type) -> str:
    module = kind.__dict__.get("__module__", "builtins")
    return str(_kind_name(kind)) if module in ("builtins", "__main__") else f"{module}.{_kind_qualname(kind)}"


def _notes_of(error: BaseException) -> list[str]:
    try:
        return [str(note) for note in error.__notes__[:MAX_NOTES]]
    except BaseException as worse:  # most have none
        if escapes(worse):
            raise
        return []
