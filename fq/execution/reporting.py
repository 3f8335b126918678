"""`progress` and `emit`: what a running actor tells those who watch it. ``fq.worker.reports`` sends it on; `Handle.progress` and `Handle.watch` read it."""

from typing import Protocol, cast

from fq.errors import InvalidResult
from fq.runtime.actor_run import RUNNING, ActorRun, current_run
from fq.runtime.interrupt_mask import shielded
from fq.wire.progress import as_tree, encode_chunk, encode_progress, typed_tree


@shielded
def progress(done: object, of: float | None = None, note: str = "") -> None:
    """
    Tell how far the actor is: *done* of *of*, and a *note* for people. Or tell any value that can be JSON, as *done*.

    Only the latest counts. It costs no round trip: it leaves with a turn of the worker, at most once in 200 ms for each message, so call it as often as
    you like. Outside of an actor it is checked, and goes nowhere, so that an actor is still a function.

    >>> from fq import App
    >>> app = App("memory://")
    >>> @app.actor
    ... def count(n: int) -> int:
    ...     for i in range(n):
    ...         progress(i, of=n, note=f"number {i}")
    ...     print(handle.progress())
    ...     return n
    >>> handle = count.send(3)
    >>> app.run_until_idle()
    2 of 3: number 2
    1
    >>> print(handle.progress())
    None

    Raises:
        InvalidResult: it cannot be encoded, or is longer than 4,096 bytes of JSON.
    """
    body = encode_progress(done, of, note)
    if (run := _running()) is not None:
        run.reports().tell(body)
        run.on_report()


@shielded
def emit(value: object) -> None:
    """
    Append *value* to the stream of the running actor, which declares the type of its values with *emits*. `Handle.watch` reads them.

    Each value gets there, in order, unless more than the latest 1,000 are kept. Values leave together, with a turn of the worker or with the commit. An
    attempt that begins anew begins a new epoch, of which `Handle.watch` tells. Outside of an actor this does nothing.

    >>> from fq import App
    >>> app = App("memory://")
    >>> @app.actor(emits=str)
    ... def spell(word: str) -> int:
    ...     for letter in word:
    ...         emit(letter)
    ...     return len(word)
    >>> handle = spell.send("abc")
    >>> app.run_until_idle()
    1
    >>> list(handle.watch())
    ['a', 'b', 'c', 3]

    Raises:
        InvalidResult: it is no value of the declared type, it is longer than 4,096 bytes of JSON, or the actor declares no type.
    """
    run = _running()
    if run is None:
        return
    annotation = None if run.app is None else cast(_HasActors, run.app).get_actor(run.message.actor_name).emits
    if annotation is None and run.app is not None:
        raise InvalidResult(f"found emit() in {run.message.actor_name}, which declares no type of its values: write @app.actor(emits=...)")
    run.reports().emit(encode_chunk(as_tree(value, "value") if annotation is None else typed_tree(value, annotation)))
    run.on_report()


class _Emits(Protocol):
    @property
    def emits(self) -> object:
        """See `Actor.emits`."""
        ...


class _HasActors(Protocol):
    def get_actor(self, name: str) -> _Emits:
        """See `App.get_actor`."""
        ...


def _running() -> ActorRun | None:
    """Return the run of the actor that calls this; None outside of an actor."""
    run = current_run()
    return run if run is not None and run.state == RUNNING else None
