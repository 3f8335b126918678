"""`Resource`: a value that a worker opens for actors, by a generator or a context manager. `injected` asks for it, `ResourceDecorator` declares it."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from inspect import Parameter, isasyncgenfunction, isgeneratorfunction
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, cast, get_args, get_origin, overload

from attrs import field, frozen

from fq.core.injection import Injected
from fq.errors import DeclarationError
from fq.wire.convert.annotations import name_of
from fq.wire.signature import Signature
from fq.wire.signature.wrapped import innermost

T = TypeVar("T")

Scope: TypeAlias = Literal["process", "message"]
Opener: TypeAlias = Callable[..., AsyncIterator[T] | Iterator[T] | AbstractContextManager[T] | AbstractAsyncContextManager[T]]
Manager: TypeAlias = AbstractContextManager[object] | AbstractAsyncContextManager[object]


@frozen(eq=False, repr=False)
class Resource(Generic[T]):
    """
    A declared resource: a value of type *T* that a worker opens for the actors that ask for it. `App.resource` makes one.

    Attributes:
        function: the generator function, or the function or class that makes a context manager.

        name: the name in errors, and the name of the parameters that get it when their annotation does not say which.

        scope: ``"process"``: opened once in a worker; ``"message"``: opened for each message.

        value_type: the annotation of its value.

        is_async: must it be opened on an event loop?

        needs: the resources that it gets itself, by the names of its parameters.
    """

    function: Opener[T]
    name: str
    scope: Scope
    value_type: object
    is_async: bool
    needs: Mapping[str, "Resource[Any]"] = field(factory=dict)

    def __repr__(self) -> str:
        return f"Resource({self.name!r}, scope={self.scope!r})"

    @property
    def needs_loop(self) -> bool:
        """Is it async, or one of those that it gets?"""
        return self.is_async or any(resource.needs_loop for resource in self.needs.values())

    def manager(self, arguments: Mapping[str, object]) -> Manager:
        """Return a context manager that opens and closes it; *arguments* are the values of those that it gets."""
        function: Callable[..., Any] = self.function
        if isasyncgenfunction(function):
            return asynccontextmanager(function)(**arguments)
        return contextmanager(function)(**arguments) if isgeneratorfunction(function) else cast(Manager, function(**arguments))


@overload
def injected() -> T: ...  # type: ignore[type-var]  # the annotation of the parameter says what T is
@overload
def injected(resource: Resource[T], /) -> T: ...
def injected(resource: object = None, /) -> object:
    """
    Return the default of a parameter that a worker fills with a resource.

    >>> from collections.abc import Iterator
    >>> from fq import App, injected
    >>> app = App("memory://")
    >>> @app.resource(scope="process")
    ... def prices() -> Iterator[dict[str, int]]:
    ...     yield {"tea": 3}
    >>> @app.actor
    ... def price(what: str, *, prices: dict[str, int] = injected()) -> int:
    ...     return prices[what]
    >>> handle = price.send("tea")
    >>> app.run_until_idle()
    1
    >>> handle.get_result()
    3

    Without *resource*, the parameter gets the resource whose value has the type of its annotation. If there are several of this type, or none, it gets
    the one of its own name.

    No call passes such a parameter. A direct call of the function does, in a test for example: ``price("tea", prices={"tea": 4})``.

    Raises:
        DeclarationError: *resource* is not what `App.resource` returns.
    """
    if resource is not None and not isinstance(resource, Resource):
        raise DeclarationError(f"injected() found {resource!r}, expected a resource: declare it with @app.resource")
    return Injected(resource)


class DeclareResource(Protocol):
    """What ``app.resource(scope="process")`` returns: a decorator."""

    def __call__(self, function: Opener[T], /) -> Resource[T]: ...


@frozen
class ResourceDecorator:
    """
    ``app.resource``: makes a `Resource` of a generator function, sync or async, that yields the value once.

    What comes before the ``yield`` opens the resource, and what comes after it closes it. A function or a class that makes a context manager will do, too.
    The parameters of the function may be resources themselves, which were declared before.

    >>> from collections.abc import Iterator
    >>> from fq import App, injected
    >>> app = App("memory://")
    >>> @app.resource(scope="process")
    ... def books() -> Iterator[list[str]]:
    ...     yield []
    >>> @app.resource(scope="message")
    ... def book(books: list[str] = injected()) -> Iterator[set[str]]:
    ...     lines: set[str] = set()
    ...     yield lines
    ...     books.extend(sorted(lines))
    >>> book
    Resource('book', scope='message')

    Args:
        scope: ``"process"``: it is opened once in each worker process, before the first message, and closed at the end of the process. ``"message"``, the
            default: it is opened for each message, and closed when the actor has ended. If the actor failed, it sees the exception.

        name: its name; by default that of the function.

    Raises:
        DeclarationError: a function that makes no context manager, a parameter that nothing fills, a name that is taken, or a resource of a whole process
            that needs one of a message.
    """

    declare: Callable[[Opener[Any], Scope, str], Resource[Any]] = field(repr=False)

    @overload
    def __call__(self, *, scope: Scope = "message", name: str = "") -> DeclareResource: ...
    @overload
    def __call__(self, function: Opener[T], /) -> Resource[T]: ...
    def __call__(self, *given: Opener[Any], scope: Scope = "message", name: str = "") -> object:
        """Declare a resource, or return the decorator that declares one."""
        if scope not in get_args(Scope):
            raise DeclarationError(f'found the scope {scope!r} of a resource, expected "process" or "message"')
        if given:
            (function,) = given
            return self.declare(function, scope, name)
        return cast(DeclareResource, lambda opener: self.declare(opener, scope, name))


def opens_async(function: Callable[..., object], signature: Signature) -> bool:
    """
    Return whether the resource that *function* makes is opened on an event loop. A manager that can be used in both ways is async.

    Raises:
        DeclarationError: as far as can be seen, *function* makes no context manager.
    """
    inside = innermost(function)
    if isasyncgenfunction(inside) or isgeneratorfunction(inside):
        return isasyncgenfunction(inside)
    made = function if isinstance(function, type) else get_origin(signature.result_annotation) or signature.result_annotation
    if isinstance(made, type):
        if hasattr(made, "__aenter__"):
            return True
        if hasattr(made, "__enter__"):
            return False
    raise DeclarationError(
        f"found {function!r} as a resource, expected a generator function that yields the value once, or a function that is annotated to return a "
        "context manager: write `yield value` in the place of `return value`"
    )


def value_type(function: Callable[..., object], signature: Signature) -> object:
    """Return the type of the value that *function* makes, as its annotations say."""
    if isinstance(function, type):
        return function
    returned = signature.result_annotation
    arguments = get_args(returned)
    return arguments[0] if arguments else returned


def names_and_types(resources: Mapping[str, Resource[Any]]) -> str:
    """Return *resources* as text for an error."""
    return ", ".join(f"{name} ({_shown(resource.value_type)})" for name, resource in resources.items()) or "none"


def _shown(annotation: object) -> str:
    return "without a type" if annotation is Parameter.empty else name_of(annotation)
