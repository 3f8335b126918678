"""`DeclaredResources`: the resources of an app, and which of them the parameters of a function ask for. Mutable shell."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter
from typing import Annotated, Any, get_args, get_origin

from fq.errors import DeclarationError
from fq.resources.resource import Opener, Resource, Scope, names_and_types, opens_async, value_type
from fq.wire.convert.annotations import name_of
from fq.wire.signature import Signature
from fq.wire.signature.injected import InjectedParameter

AnyResource = Resource[Any]
Needs = Mapping[str, AnyResource]
"""The resources that a function gets, by the names of its parameters."""


class DeclaredResources:
    """
    Mutable: what an app declares.

    Attributes:
        overrides: the values that take the place of resources for a while, in tests.
    """

    def __init__(self) -> None:
        self.overrides: Mapping[AnyResource, object] = {}
        self._overriding: list[tuple[AnyResource, object]] = []
        self._overriding_lock = threading.Lock()
        self._by_name: dict[str, AnyResource] = {}

    def declare(self, function: Opener[Any], scope: Scope, name: str = "") -> AnyResource:
        """
        Declare the resource that *function* makes.

        Raises:
            DeclarationError: see `App.resource`.
        """
        if isinstance(function, Resource) or not callable(function):
            raise DeclarationError(f"found {function!r} as a resource, expected a generator function")
        name = name or getattr(function, "__name__", type(function).__name__)
        if name in self._by_name:
            raise DeclarationError(f"found two resources called {name}; rename one of them with name=...")
        signature = Signature.of(function)
        is_async = opens_async(function, signature)
        if unfilled := next((each for each in signature.required_names), ""):
            raise DeclarationError(
                f"resource {name}: nothing fills its parameter {unfilled}: give it a default, or ask for a resource by injected()"
            )
        needs = self.needs_of(f"resource {name}", signature)
        for parameter, needed in needs.items():
            if scope == "process" and needed.scope == "message":
                raise DeclarationError(
                    f"resource {name} is opened once in a process, and its parameter {parameter} asks for {needed.name}, which is opened for each "
                    "message: give one of them the scope of the other"
                )
        made: AnyResource = Resource(function, name, scope, value_type(function, signature), is_async, needs)
        self._by_name[name] = made
        return made

    def needs_of(self, what: str, signature: Signature) -> Needs:
        """
        Return what the function of *signature* gets; errors call it *what*.

        Raises:
            DeclarationError: a parameter asks for a resource that is not declared here, or cannot be filled by its name.
        """
        return {name: self._found(what, name, parameter) for name, parameter in signature.injected.items()}

    def needs_of_actor(self, name: str, signature: Signature) -> Needs:
        """
        Return what the actor called *name* gets.

        Raises:
            DeclarationError: as `needs_of`; or the actor is sync, and one of its resources is async.
        """
        needs = self.needs_of(f"actor {name}", signature)
        for parameter, resource in needs.items():
            if resource.needs_loop and not signature.is_async:
                raise DeclarationError(
                    f"actor {name} is sync, and its parameter {parameter} asks for {resource.name}, which is opened on an event loop: "
                    "make the actor async, or the resource a plain generator"
                )
        return needs

    @contextmanager
    def override(self, resource: AnyResource, value: object) -> Iterator[None]:
        """Let *value* take the place of *resource* inside the context."""
        if self._by_name.get(getattr(resource, "name", "")) is not resource:
            raise DeclarationError(f"override() found {resource!r}, expected a resource of this app: {names_and_types(self._by_name)}")
        entry = (resource, value)
        self._change_overrides(lambda entries: [*entries, entry])
        try:
            yield
        finally:  # others, of another thread or task, may have come since, and stay
            self._change_overrides(lambda entries: [each for each in entries if each is not entry])

    def _change_overrides(self, change: Callable[[list[tuple[AnyResource, object]]], list[tuple[AnyResource, object]]]) -> None:
        with self._overriding_lock:
            self._overriding = change(self._overriding)
            self.overrides = dict(self._overriding)

    def of_processes(self, needs: Iterable[AnyResource]) -> tuple[AnyResource, ...]:
        """Return the resources of a process that *needs* come down to, in the order of declaration, without those that are overridden."""
        found: set[AnyResource] = set()

        def collect(resources: Iterable[AnyResource]) -> None:
            for resource in resources:
                if resource not in self.overrides:
                    found.add(resource)
                    collect(resource.needs.values())

        collect(needs)
        return tuple(resource for resource in self._by_name.values() if resource in found and resource.scope == "process")

    def _found(self, what: str, name: str, parameter: InjectedParameter) -> AnyResource:
        if parameter.misplaced:
            raise DeclarationError(f"{what}: {name} cannot be injected, since {parameter.misplaced}: put it last, after a `*`")
        named = parameter.marker.resource
        if isinstance(named, Resource):
            if self._by_name.get(named.name) is not named:
                raise DeclarationError(f"{what}: {name} asks for {named.name}, a resource of another app")
            return named
        of_type = [resource for resource in self._by_name.values() if _same_type(resource.value_type, parameter.annotation)]
        found = of_type[0] if len(of_type) == 1 else self._by_name.get(name)
        if found is None or (of_type and found not in of_type) or not _may_be(found.value_type, parameter.annotation):
            raise DeclarationError(
                f"{what}: {_not_found(name, parameter, of_type)}; the resources declared so far: {names_and_types(self._by_name)}"
            )
        return found


def _not_found(name: str, parameter: InjectedParameter, of_type: list[AnyResource]) -> str:
    wanted = "" if parameter.annotation is Parameter.empty else f" of type {name_of(parameter.annotation)}"
    if of_type:
        return f"several resources are{wanted}, and none of them is called {name}: name the one that it gets, as in injected({of_type[0].name})"
    return f"no resource{wanted} for its parameter {name}: declare it with @app.resource above this, or name it, as in injected(resource)"


def _same_type(found: object, wanted: object) -> bool:
    return wanted is not Parameter.empty and found == (get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted)


def _may_be(found: object, wanted: object) -> bool:
    """May a value of type *found* be what *wanted*, another annotation, asks for? What cannot be known may be."""
    if isinstance(found, type) and isinstance(wanted, type) and Parameter.empty not in (found, wanted):
        try:
            return issubclass(found, wanted)
        except TypeError:  # a protocol, or a generic type
            return True
    return True
