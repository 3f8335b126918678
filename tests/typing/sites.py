"""The types of ``fq.asgi`` and ``fq.flask``, as mypy and pyright see them. Never run."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import assert_type

from fastapi import FastAPI
from flask import Flask
from litestar import Litestar
from starlette.applications import Starlette
from starlette.requests import Request

from fq import App, Handle
from fq.asgi import TaskRoutes, TaskView, lifespan
from fq.flask import Fq

app = App("memory://")


@app.actor
def add(a: int, b: int) -> int:
    return a + b


@asynccontextmanager
async def with_state(site: FastAPI) -> AsyncIterator[Mapping[str, object]]:
    yield {"title": site.title}


@asynccontextmanager
async def without_state(site: Starlette) -> AsyncIterator[None]:
    yield


FastAPI(lifespan=lifespan(app))
FastAPI(lifespan=lifespan(app, with_state, worker={"threads": 2, "queues": ["mail"]}))
Starlette(lifespan=lifespan(app, worker=True))
Starlette(lifespan=lifespan(app, without_state))
Litestar(lifespan=[lifespan(app)])
Starlette(lifespan=lifespan(app, with_state))  # type: ignore[arg-type]  # a lifespan of FastAPI
lifespan(app, worker={"thread": 2})  # type: ignore[call-overload]  # misspelt


def access(request: Request, message_id: str) -> bool:
    return request.url.path.endswith(message_id)


async def aaccess(request: Request, message_id: str) -> Handle[int] | None:
    return add.call(1, 2).handle(message_id)


def no_access(message_id: str) -> bool:
    return True


TaskRoutes(app, access=access)
TaskRoutes(app, access=aaccess)
TaskRoutes(app, access=no_access)  # type: ignore[arg-type]  # it takes the request, too


async def view() -> None:
    tasks = TaskRoutes(app, secret=b"0123456789abcdef")
    assert_type(await tasks.view(add.send(1, 2)), TaskView)
    assert_type(tasks.link(add.send(1, 2)), str)


queue = Fq(Flask("site"))


@queue.actor(max_retries=3)
async def fetch(url: str) -> bytes:
    return url.encode()


assert_type(fetch.send("x"), Handle[bytes])
assert_type(queue.site, Flask)
