"""`result_with_progress`: waits for a result, and shows meanwhile on standard error what the actor tells: a bar in a terminal, lines elsewhere."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from fq.calls.handle import Handle
from fq.calls.task_error import Missing, TimedOut
from fq.core.printable import printable
from fq.core.progress import Progress
from fq.errors import ResultTimeout

LOOK_EVERY_MS = 200


class Display(Protocol):
    """Shows what an actor tells."""

    def __call__(self, told: object, /) -> None: ...


def result_with_progress(handle: Handle[object], timeout: int) -> object:
    """
    Return the result of *handle*, which comes within *timeout* ms.

    Raises:
        ResultError: see `Handle.get_result`.
    """
    if not handle.stored or not timeout:
        return handle.get_result(block=True, timeout=timeout)
    watch = handle.watch(timeout=timeout, interval=LOOK_EVERY_MS)
    try:
        with display() as show:
            for item in watch:
                if watch.ended:
                    return item
                show(item)
    except ResultTimeout:
        handle.raise_error(TimedOut(timeout))
    handle.raise_error(Missing(handle.message_id))


@contextmanager
def display() -> Iterator[Display]:
    """Yield what shows a progress, or a value of a stream."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda told: console.print(as_line(told), markup=False, highlight=False, soft_wrap=True)
        return
    columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=None, visible=False)

        def show(told: object) -> None:
            fraction = told.fraction if isinstance(told, Progress) else None
            bars.update(task, description=as_line(told), total=None if fraction is None else 1.0, completed=fraction or 0.0, visible=True)

        yield show


def as_line(told: object) -> str:
    """
    Return *told* as a line.

    >>> as_line(Progress(3, of=10, note="page 3")), as_line({"a": 1})
    ('3 of 10: page 3', '{"a": 1}')
    """
    if isinstance(told, Progress):
        return printable(str(told))
    return printable(told if isinstance(told, str) else json.dumps(told, default=str))
