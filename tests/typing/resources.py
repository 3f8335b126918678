"""The types of resources, as mypy and pyright see them. Never run: see ``api.py``."""

from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol, Self, assert_type

from fq import App, Call, Handle, Resource, injected

app = App("memory://")


class Pool:
    size: int = 1


class Client:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


class Store(Protocol):
    size: int


# --- what the decorator makes of a function -------------------------------------------------------


@app.resource(scope="process")
def pool() -> Iterator[Pool]:
    yield Pool()


@app.resource(scope="message", name="line")
async def text(pool: Pool = injected()) -> AsyncIterator[str]:
    yield f"{pool.size}"


@app.resource
def number(pool: Pool = injected(pool)) -> Generator[int, None, None]:
    yield pool.size


@app.resource
@contextmanager
def managed() -> Iterator[bytes]:
    yield b""


@app.resource
@asynccontextmanager
async def async_managed() -> AsyncIterator[float]:
    yield 0.5


client = app.resource(scope="process")(Client)

assert_type(pool, Resource[Pool])
assert_type(text, Resource[str])
assert_type(number, Resource[int])
assert_type(managed, Resource[bytes])
assert_type(async_managed, Resource[float])
assert_type(client, Resource[Client])


@app.resource(scope="request")  # type: ignore[call-overload, untyped-decorator]
def wrong_scope() -> Iterator[int]:
    yield 3


@app.resource  # type: ignore[arg-type]
def returns() -> int:
    return 3


# --- actors that get them --------------------------------------------------------------------------


@app.actor
def charge(order: int, *, pool: Pool = injected(), store: Store = injected(pool), number: int = injected(number)) -> int:
    return order * pool.size * store.size * number


@app.actor(max_retries=3)
async def publish(order: int, *, text: str = injected(text), client: Client = injected()) -> str:
    return text


def wrong_type(order: int, *, pool: str = injected(pool)) -> None: ...  # type: ignore[assignment]


def no_resource(order: int, *, pool: Pool = injected(Pool)) -> None: ...  # type: ignore[call-overload]


assert_type(charge.send(7), Handle[int])
assert_type(charge.call(7), Call[int])
assert_type(publish.send(7), Handle[str])
assert_type(charge(7, pool=Pool(), store=Pool(), number=3), int)
charge.send()  # type: ignore[call-arg]
charge.send("7")  # type: ignore[arg-type]
charge(7, pool=3)  # type: ignore[arg-type]
(charge.call(7) | charge).send()

with app.override(pool, Pool()), app.override(text, "fake"):
    pass
app.override(pool, 3)  # type: ignore[misc]
app.override(Pool, Pool())  # type: ignore[arg-type]
