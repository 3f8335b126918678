"""
`OpenScope`: the resources that are open in a process, or for a message. Mutable shell.

They are opened one after the other, each after those that it gets, and closed in reverse order. A resource cannot change a failure: it sees the exception,
and whatever it does with it, the failure stands.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import cast

from attrs import define, field

from fq.errors import Interrupt, ResourceError, RetryAfter, SkipMessage
from fq.errors.exception_text import name_of, text_of
from fq.resources.declared import AnyResource, DeclaredResources, Needs
from fq.resources.resource import Manager, Scope
from fq.runtime.logger import logger

log = logger("fq.worker")

_AS_THEY_ARE = (Interrupt, RetryAfter, SkipMessage, asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)
"""What a resource raises on purpose when it is opened: it decides what becomes of the message."""


class NotOpen(Exception):  # no failure: the message waits until it is
    """A message needs *resource*, one of its process, which is not open."""

    def __init__(self, resource: AnyResource) -> None:
        super().__init__(resource.name)
        self.resource = resource


@define(eq=False)
class OpenScope:
    """
    Mutable: what is open in *scope*, of the resources in *declared*. Those of the whole process are in *process*, which is None in that scope itself.

    *on_missing* is called with a resource of the process that a message has found closed. A scope is used by one thread at a time; its values, by any.
    """

    declared: DeclaredResources
    scope: Scope = "process"
    process: "OpenScope | None" = None
    on_missing: Callable[[AnyResource], None] = lambda _: None
    _values: dict[AnyResource, object] = field(factory=dict, init=False)
    _opened: list[tuple[AnyResource, Manager]] = field(factory=list, init=False)

    def for_message(self) -> "OpenScope":
        """Return the scope of one message in this process."""
        return OpenScope(self.declared, "message", self)

    def missing(self, needs: Needs) -> tuple[AnyResource, ...]:
        """Return the resources of a process that *needs* come down to and that are not open here, in the order in which to open them."""
        return tuple(resource for resource in self.declared.of_processes(needs.values()) if resource not in self._values)

    def open(self, needs: Needs) -> dict[str, object]:
        """
        Return the values of *needs*, by name, opened if need be; all of them are sync.

        Raises:
            ResourceError: one of them could not be opened.
            NotOpen: one belongs to the process, and is not open.
        """
        return {name: self._found(need) if self._is_there(need) else self._open(need) for name, need in needs.items()}

    async def aopen(self, needs: Needs) -> dict[str, object]:
        """`open`, for resources of either kind."""
        return {name: self._found(need) if self._is_there(need) else await self._aopen(need) for name, need in needs.items()}

    def close(self, error: BaseException | None = None) -> BaseException | None:
        """Close what is open, for which *error* was raised; return the error that stands: that one, or the first that a resource raises."""
        while self._opened:
            error = self.close_last(error)
        self._values.clear()
        return error

    async def aclose(self, error: BaseException | None = None) -> BaseException | None:
        """`close`, for resources of either kind."""
        while self._opened:
            error = await self.aclose_last(error)
        self._values.clear()
        return error

    def close_last(self, error: BaseException | None = None) -> BaseException | None:
        """Close the one that was opened last, a sync one; return the error that stands, as `close` does."""
        resource, manager = self._pop()
        traceback = None if error is None else error.__traceback__
        try:
            cast(AbstractContextManager[object], manager).__exit__(*_raised(error))
        except BaseException as raised:
            return _standing(resource, error, traceback, raised)
        return _standing(resource, error, traceback)

    async def aclose_last(self, error: BaseException | None = None) -> BaseException | None:
        """`close_last`, for a resource of either kind."""
        if not self._opened[-1][0].is_async:
            return self.close_last(error)
        resource, manager = self._pop()
        traceback = None if error is None else error.__traceback__
        try:
            await cast(AbstractAsyncContextManager[object], manager).__aexit__(*_raised(error))
        except BaseException as raised:
            return _standing(resource, error, traceback, raised)
        return _standing(resource, error, traceback)

    @property
    def last(self) -> AnyResource | None:
        """The one that was opened last; None if nothing is open."""
        return self._opened[-1][0] if self._opened else None

    def _is_there(self, resource: AnyResource) -> bool:
        return resource in self.declared.overrides or resource in self._values or resource.scope != self.scope

    def _found(self, resource: AnyResource) -> object:
        overrides = self.declared.overrides
        if resource in overrides:
            return overrides[resource]
        values = self._values if self.process is None or resource.scope == self.scope else self.process._values
        try:
            return values[resource]
        except KeyError:
            raise NotOpen(resource) from None

    def _open(self, resource: AnyResource) -> object:
        arguments = self.open(resource.needs)
        try:
            manager = cast(AbstractContextManager[object], resource.manager(arguments))
            return self._note(resource, manager, manager.__enter__())
        except _AS_THEY_ARE:
            raise
        except BaseException as error:
            raise _failed_to_open(resource, error) from error

    async def _aopen(self, resource: AnyResource) -> object:
        arguments = await self.aopen(resource.needs)
        try:
            manager = resource.manager(arguments)
            if resource.is_async:
                return self._note(resource, manager, await cast(AbstractAsyncContextManager[object], manager).__aenter__())
            return self._note(resource, manager, cast(AbstractContextManager[object], manager).__enter__())
        except _AS_THEY_ARE:
            raise
        except BaseException as error:
            raise _failed_to_open(resource, error) from error

    def _pop(self) -> tuple[AnyResource, Manager]:
        resource, manager = self._opened.pop()
        self._values.pop(resource, None)
        return resource, manager

    def _note(self, resource: AnyResource, manager: Manager, value: object) -> object:
        self._opened.append((resource, manager))
        self._values[resource] = value
        return value


def _raised(error: BaseException | None) -> tuple[type[BaseException] | None, BaseException | None, TracebackType | None]:
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def _standing(
    resource: AnyResource, error: BaseException | None, traceback: TracebackType | None, raised: BaseException | None = None
) -> BaseException | None:
    """Return the error that stands after the close of *resource*, which may have *raised* one; *error* keeps its *traceback*, without frames of the close."""
    if error is None:
        return raised
    if raised is not None and raised is not error:
        log.error("resource %s raised %s when it was closed after %s", resource.name, name_of(raised), name_of(error), exc_info=raised)
    return error.with_traceback(traceback)


def _failed_to_open(resource: AnyResource, error: BaseException) -> ResourceError:
    return ResourceError(f"resource {resource.name} could not be opened: {name_of(error)}: {text_of(error)}")
