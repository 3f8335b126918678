"""`stacks_of_process`: where each thread of this process is, and each task of an event loop, as text for a person. Shell."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from itertools import dropwhile
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeAlias

from attrs import frozen

MOST_CHARACTERS = 100_000
"""Stacks are cut to this size."""

MOST_TASKS = 100
"""How many tasks are shown, at most."""

OWN_FOLDER = str(Path(__file__).parents[1])
"""Where fq is."""

Place: TypeAlias = tuple[CodeType, int]


@frozen
class LabelledTask:
    """A *task*, and what it is for."""

    task: "asyncio.Task[Any]"
    label: str


def stacks_of_process(labels: Mapping[int, str], tasks: Iterable[LabelledTask] = ()) -> str:
    """
    Return the stacks of all threads but this one, those with a label first, and of *tasks*. Threads that are at the same place share one.

    *labels* say, by thread id, what a thread does.
    """
    frames = sys._current_frames()  # documented, in spite of its name
    threads = [thread for thread in threading.enumerate() if thread.ident != threading.get_ident()]
    threads.sort(key=lambda thread: (thread.ident not in labels, thread.name))
    by_stack: dict[tuple[str, str], list[str]] = {}
    for thread in threads:
        by_stack.setdefault((labels.get(thread.ident or 0, ""), _stack(frames.get(thread.ident or 0))), []).append(thread.name)
    parts = [
        f"{'Thread' if len(names) == 1 else 'Threads'} {', '.join(names)}{label and f': {label}'}\n{stack}"
        for (label, stack), names in by_stack.items()
    ]
    shown = list(tasks)
    parts += [f"Task: {each.label}\n{_of_task(each.task)}" for each in shown[:MOST_TASKS]]
    if len(shown) > MOST_TASKS:
        parts.append(f"and {len(shown) - MOST_TASKS} more tasks\n")
    text = "\n".join(parts)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "\n... cut here"


def _stack(frame: FrameType | None) -> str:
    return "" if frame is None else "".join(traceback.format_list(_shown(traceback.extract_stack(frame))))


def _shown(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Return *frames* from the first on that is neither Python's start of a thread nor fq's; if all are, without the former."""
    started = [
        frame for frame in frames if frame.filename != threading.__file__ or frame.name not in ("_bootstrap", "_bootstrap_inner", "run")
    ]
    return list(dropwhile(lambda frame: frame.filename.startswith(OWN_FOLDER), started)) or started


def _of_task(task: "asyncio.Task[Any]") -> str:
    """Return where *task* waits: all coroutines that await each other, the outermost first; Python's own function shows only that."""
    frames = [traceback.FrameSummary(code.co_filename, number, code.co_name) for code, number in _places(task.get_coro())]
    return "".join(traceback.format_list(_shown(frames)))


def _places(awaited: object) -> Iterator[Place]:
    while awaited is not None:
        frame = next((found for name in ("cr_frame", "gi_frame", "ag_frame") if (found := getattr(awaited, name, None))), None)
        if frame is not None:
            yield frame.f_code, frame.f_lineno
        awaited = next((found for name in ("cr_await", "gi_yieldfrom", "ag_await") if (found := getattr(awaited, name, None))), None)
