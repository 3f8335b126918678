"""`InlineResources`: opens the resources of a process where there is no worker: in `App.run_until_idle`, `outcome_of` and simulations. Mutable shell."""

from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from fq.resources.declared import Needs
from fq.resources.lifespan_task import LifespanTask
from fq.resources.open_scope import OpenScope

T = TypeVar("T")


class RunCoroutine(Protocol):
    """Runs a coroutine to its end."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /) -> T:
        """Return what *coroutine* returns."""
        ...


class InlineResources:
    """Opens in *scope* what an actor needs, when its first message comes. *run* runs a coroutine to its end."""

    def __init__(self, scope: OpenScope, run: RunCoroutine) -> None:
        self.scope = scope
        self._run = run
        self._task = LifespanTask()

    def open_for(self, needs: Needs) -> None:
        """
        Open what *needs* come down to.

        Raises:
            ResourceError: one of them could not be opened.
        """
        if not needs:
            return
        for resource in self.scope.missing(needs):
            needed = {resource.name: resource}
            if resource.is_async:
                self._run(self._task.run(partial(self.scope.aopen, needed)))
            else:
                self.scope.open(needed)

    def close(self) -> None:
        """Close all in reverse order, then raise the first error that one of them has raised."""
        first: BaseException | None = None
        while (last := self.scope.last) is not None:
            raised = self._run(self._task.run(self.scope.aclose_last)) if last.is_async else self.scope.close_last()
            first = first or raised
        if first is not None:
            raise first
