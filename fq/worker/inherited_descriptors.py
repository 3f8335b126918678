"""
Open files that a worker hands on by their number: to the program that takes its place, or to a child that is a fresh interpreter. Mutable shell.

Nothing else that is started may inherit them: a program that an actor starts would keep the port of the metrics when the worker is long gone.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

HANDED_ON = "FQ_HANDED_ON"
"""Environment variable with the numbers of what was handed on."""

_for_programs: set[int] = set()
_for_children: set[int] = set()


def keep(descriptor: int, *, for_children: bool = False) -> None:
    """Hand *descriptor* on to whatever program takes the place of this one; with *for_children* to each child, too."""
    os.set_inheritable(descriptor, False)
    (_for_children if for_children else _for_programs).add(descriptor)


def close_kept(descriptor: int) -> None:
    """Close *descriptor*, which was kept."""
    _for_programs.discard(descriptor)
    _for_children.discard(descriptor)
    os.close(descriptor)


def take_over() -> None:
    """Hand on to nothing what this program was handed, unless it is asked for again; first of all, before other code may start anything."""
    for number in filter(None, os.environ.pop(HANDED_ON, "").split(",")):
        with suppress(OSError):
            os.set_inheritable(int(number), False)


@contextmanager
def handed_to_program(descriptors: Iterable[int] = ()) -> Iterator[dict[str, str]]:
    """Let a program that is started inherit *descriptors* and all that is kept. The value is its environment."""
    with _inheritable({*descriptors, *_for_programs, *_for_children}) as environment:
        yield environment


@contextmanager
def handed_to_child(descriptors: Iterable[int] = ()) -> Iterator[dict[str, str]]:
    """Let a child that is started inherit *descriptors* and what is kept for children. The value is its environment."""
    with _inheritable({*descriptors, *_for_children}) as environment:
        yield environment


def leave_to_parent() -> None:
    """Close, in a fork that is a child, what is not for children; the numbers stay taken, since objects here may still close them."""
    if not _for_programs:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in _for_programs:
        os.dup2(nothing, number, inheritable=False)
    os.close(nothing)
    _for_programs.clear()


@contextmanager
def _inheritable(numbers: set[int]) -> Iterator[dict[str, str]]:
    for number in numbers:
        os.set_inheritable(number, True)
    try:
        yield {**os.environ, HANDED_ON: ",".join(map(str, sorted(numbers)))}
    finally:
        for number in numbers:
            os.set_inheritable(number, False)
