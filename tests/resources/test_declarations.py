"""What `App.resource` and `injected` accept, which resource a parameter gets, and what is refused when it is declared."""

import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Protocol, Self

import pytest

from fq import App, DeclarationError, InvalidArguments, Resource, actor, injected


class Pool:
    size = 1


class BigPool(Pool):
    size = 9


class Sized(Protocol):
    size: int


@pytest.fixture
def app() -> App:
    return App("memory://")


def pool_of(app: App, name: str = "pool", kind: type[Pool] = Pool, scope: str = "message") -> Resource[Pool]:
    def opener() -> Iterator[Pool]:
        yield kind()

    opener.__annotations__["return"] = Iterator[kind]
    return app.resource(scope=scope, name=name)(opener)


def value_for(app: App, function: object) -> object:
    """Return what an actor made of *function*, which returns what it gets, returns."""
    handle = app.actor(store_results=True)(function).send()
    app.run_until_idle()
    return handle.get_result()


# --- which one a parameter gets ---


def test_a_parameter_gets_the_resource_of_its_type_whatever_it_is_called(app: App) -> None:
    pool_of(app)

    def size(*, connections: Pool = injected()) -> int:
        return connections.size

    assert value_for(app, size) == 1


def test_of_several_of_a_type_it_gets_the_one_of_its_name(app: App) -> None:
    pool_of(app, "first")

    @app.resource(name="second")
    def second() -> Iterator[Pool]:
        yield BigPool()

    def size(*, second: Pool = injected()) -> int:
        return second.size

    assert value_for(app, size) == 9


@pytest.mark.parametrize("annotation", [Sized, object, "Sized", "NoSuchName", None], ids=str)
def test_without_one_of_its_type_it_gets_the_one_of_its_name(app: App, annotation: object) -> None:
    pool_of(app)

    def size(*, pool=injected()) -> int:
        return pool.size

    if annotation is not None:
        size.__annotations__["pool"] = annotation

    assert value_for(app, size) == 1


def test_a_type_is_found_through_annotated_and_a_named_resource_beats_the_type(app: App) -> None:
    pool_of(app)
    big = pool_of(app, "big", BigPool)

    def sizes(*, a: Annotated[Pool, "the usual one"] = injected(), b: Pool = injected(big)) -> list[int]:
        return [a.size, b.size]

    assert value_for(app, sizes) == [1, 9]


@pytest.mark.parametrize("is_async", [False, True])
def test_generators_managers_and_classes_of_either_colour_are_resources(app: App, is_async: bool) -> None:
    class Client:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

    class AsyncClient(Client):
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None: ...

    @contextmanager
    def managed() -> Iterator[str]:
        yield "managed"

    @asynccontextmanager
    async def async_managed() -> AsyncIterator[str]:
        yield "managed"

    def made() -> AbstractContextManager[str]:
        return managed()

    client = app.resource(AsyncClient if is_async else Client)
    text = app.resource(async_managed if is_async else managed)
    other = app.resource(made)

    async def values(*, client: Client = injected(client), text: str = injected(text), other: str = injected(other)) -> list[str]:
        return [type(client).__name__, text, other]

    assert value_for(app, values) == ["AsyncClient" if is_async else "Client", "managed", "managed"]
    assert client.is_async == text.is_async == is_async


# --- the signature of a call ---


def test_what_is_injected_is_no_part_of_the_call(app: App) -> None:
    pool_of(app)

    @app.actor
    def scaled(n: int, factor: int = 2, *, pool: Pool = injected()) -> int:
        return n * factor * pool.size

    call = scaled.call(3)

    assert str(scaled.signature) == "scaled(n: int, factor: int = 2) -> int"
    assert (call.steps[0].args, dict(call.steps[0].kwargs)) == ((3,), {})
    with pytest.raises(InvalidArguments, match="got an argument for 'pool', which the worker injects: leave it out of the call"):
        scaled.send(3, pool=Pool())
    with pytest.raises(InvalidArguments, match="takes from 1 to 2 positional arguments but 3 were given"):
        scaled.send(3, 4, Pool())


def test_not_even_a_function_of_any_names_takes_it_from_a_call(app: App) -> None:
    pool_of(app)

    @app.actor
    def loose(*, pool: Pool = injected(), **rest: int) -> int:
        return pool.size + sum(rest.values())

    handle = loose.send(a=1)
    app.run_until_idle()

    assert handle.get_result() == 2
    with pytest.raises(InvalidArguments, match="the worker injects"):
        loose.send(pool=1)


def test_a_direct_call_passes_what_a_worker_would_inject(app: App) -> None:
    pool_of(app)

    @app.actor
    def scaled(n: int, pool: Pool = injected()) -> int:
        return n * pool.size

    assert scaled(3, pool=BigPool()) == scaled(3, BigPool()) == 27
    with pytest.raises(InvalidArguments, match="scaled\\(\\) lacks 'pool', which a worker injects: pass it"):
        scaled(3)


def test_an_actor_of_no_app_is_checked_when_an_app_includes_it(app: App) -> None:
    @actor(store_results=True)
    def size(*, pool: Pool = injected()) -> int:
        return pool.size

    with pytest.raises(DeclarationError, match="actor size: no resource of type Pool for its parameter pool"):
        app.include(size)
    pool_of(app)
    app.include(size)
    handle = size.send()
    app.run_until_idle()

    assert handle.get_result() == 1


def test_a_decorated_actor_and_a_method_get_theirs_and_so_do_steps_of_a_pipeline(app: App) -> None:
    pool_of(app, kind=BigPool)

    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @app.actor
    @logged
    def scaled(n: int, *, pool: BigPool = injected()) -> int:
        return n * pool.size

    class Shop:
        def add(self, n: int, *, pool: BigPool = injected()) -> int:
            return n + pool.size

    handle = (scaled.call(1) | app.actor(Shop().add) | scaled).send()
    app.run_until_idle()

    assert handle.get_result() == 162


# --- what is refused ---


def test_an_unknown_resource_is_refused_with_those_that_there_are(app: App) -> None:
    pool_of(app)
    text = r"actor size: no resource of type bytes for its parameter db: declare it with @app.resource above this.*declared so far: pool \(Pool\)"

    with pytest.raises(DeclarationError, match=text):

        @app.actor
        def size(*, db: bytes = injected()) -> None: ...


def test_a_resource_of_the_right_name_and_another_type_is_refused(app: App) -> None:
    pool_of(app)

    with pytest.raises(DeclarationError, match="no resource of type bytes for its parameter pool"):

        @app.actor
        def size(*, pool: bytes = injected()) -> None: ...


def test_two_of_one_type_and_none_of_the_name_are_ambiguous(app: App) -> None:
    pool_of(app, "a")
    pool_of(app, "b")

    with pytest.raises(
        DeclarationError, match=r"several resources are of type Pool, and none of them is called pool: .* as in injected\(a\)"
    ):

        @app.actor
        def size(*, pool: Pool = injected()) -> None: ...


def test_a_sync_actor_gets_nothing_that_needs_an_event_loop(app: App) -> None:
    @app.resource(scope="process")
    async def connection() -> AsyncIterator[Pool]:
        yield Pool()

    @app.resource
    def size(connection: Pool = injected()) -> Iterator[int]:
        yield connection.size

    for resource in (connection, size):
        with pytest.raises(
            DeclarationError, match=f"sync, and its parameter value asks for {resource.name}, which is opened on an event loop"
        ):
            app.actor(lambda *, value=injected(resource): None)


def test_a_resource_of_a_process_needs_none_of_a_message_and_the_other_way_round_is_fine(app: App) -> None:
    session = pool_of(app, "session")

    with pytest.raises(DeclarationError, match="resource cache is opened once in a process, and its parameter s asks for session"):

        @app.resource(scope="process")
        def cache(s: Pool = injected(session)) -> Iterator[int]:
            yield s.size

    shared = pool_of(app, "shared", BigPool, "process")

    @app.resource
    def size(s: Pool = injected(shared)) -> Iterator[int]:
        yield s.size

    assert value_for(app, lambda *, size=injected(size): size) == 9


def test_a_resource_cannot_need_itself_since_it_is_declared_after_what_it_needs(app: App) -> None:
    with pytest.raises(
        DeclarationError, match=r"resource loop: no resource of type Pool for its parameter again: declare it .* above this"
    ):

        @app.resource
        def loop(again: Pool = injected()) -> Iterator[Pool]:
            yield again


def returns_a_value() -> Pool:
    return Pool()


def needs_an_argument(size: int) -> Iterator[int]:
    yield size


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (returns_a_value, "expected a generator function that yields the value once"),
        (needs_an_argument, "nothing fills its parameter size: give it a default, or ask for a resource by injected"),
        (3, "found 3 as a resource"),
    ],
    ids=["a value", "an argument", "no function"],
)
def test_what_makes_no_resource_is_refused(app: App, thing: object, text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        app.resource(thing)


def test_names_scopes_and_other_apps_are_checked(app: App) -> None:
    pool = pool_of(app)

    with pytest.raises(DeclarationError, match="two resources called pool; rename one of them with name="):
        pool_of(app)
    with pytest.raises(DeclarationError, match='found the scope \'request\' of a resource, expected "process" or "message"'):
        app.resource(scope="request")
    with pytest.raises(DeclarationError, match=r"expected a resource: declare it with @app.resource"):
        injected(Pool)
    with pytest.raises(DeclarationError, match="asks for pool, a resource of another app"):
        App("memory://").actor(lambda *, pool=injected(pool): None)
    with pytest.raises(DeclarationError, match="expected a resource of this app: none"):
        App("memory://").override(pool, Pool()).__enter__()


def test_a_parameter_that_arguments_by_position_could_reach_is_refused(app: App) -> None:
    pool_of(app)

    def before_another(pool: Pool = injected(), n: int = 3) -> None: ...
    def by_position_only(pool: Pool = injected(), /) -> None: ...

    with pytest.raises(
        DeclarationError, match="pool cannot be injected, since the argument of n, which comes after it, may be passed by position"
    ):
        app.actor(before_another)
    with pytest.raises(DeclarationError, match=r"since it takes its argument by position only: put it last, after a `\*`"):
        app.actor(by_position_only)
