"""
Open files that a worker hands on by their number: to the program that replaces it, or to a child that is a fresh interpreter. Mutable shell.

No other program may inherit them: one that an actor starts would keep the port of the metrics open after the worker has ended.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

HANDED_ON = "FQ_HANDED_ON"
"""Environment variable with the numbers of the files that were handed on."""

_for_programs: set[int] = set()
_for_children: set[int] = set()


def hand_on(descriptor: int, *, for_children: bool = False) -> None:
    """Hand *descriptor* on to the program that replaces this one; with *for_children*, to each child, too."""
    os.set_inheritable(descriptor, False)
    (_for_children if for_children else _for_programs).add(descriptor)


def close_handed_on(descriptor: int) -> None:
    """Close *descriptor*, and hand it on no more."""
    _for_programs.discard(descriptor)
    _for_children.discard(descriptor)
    os.close(descriptor)


def stop_inheritance() -> None:
    """Let no program inherit the files that this one was handed, unless `hand_on` says so. Called first, before other code can start a program."""
    for number in filter(None, os.environ.pop(HANDED_ON, "").split(",")):
        with suppress(OSError):
            os.set_inheritable(int(number), False)


@contextmanager
def handed_to_program(descriptors: Iterable[int] = ()) -> Iterator[dict[str, str]]:
    """Let the program that replaces this one inherit *descriptors* and all that is handed on. The value is its environment."""
    with _inheritable({*descriptors, *_for_programs, *_for_children}) as environment:
        yield environment


@contextmanager
def handed_to_child(descriptors: Iterable[int] = ()) -> Iterator[dict[str, str]]:
    """Let a child inherit *descriptors* and what is handed on to children. The value is its environment."""
    with _inheritable({*descriptors, *_for_children}) as environment:
        yield environment


def close_parents_descriptors() -> None:
    """Close, in a child that is a fork, what is not for children. The numbers stay in use, since objects here may still close them."""
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
