"""The examples with FastAPI and Litestar, and the pages of fq mounted in each framework."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from litestar import Litestar
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from examples.fastapi.site import app as fastapi_app
from examples.fastapi.site import site as fastapi_site
from examples.litestar.site import app as litestar_app
from examples.litestar.site import site as litestar_site
from fq import App
from fq.asgi.litestar import mount
from fq.brokers.memory import MemoryBroker
from fq.web import web
from tests.asgi.conftest import Events


def test_the_example_with_litestar_shows_a_task_and_its_events() -> None:
    with litestar_app.using_broker(MemoryBroker()), LitestarClient(litestar_site) as client:
        ordered = client.post("/sums", json={"numbers": [1, 2, 3]})
        link = ordered.json()["id"]
        shown = client.get(f"/tasks/{link}?wait=30000").json()
        events = Events.of(client.get(f"/tasks/{link}/events").text)

        assert (ordered.status_code, shown["state"], shown["result"]) == (202, "succeeded", 6)
        assert [each["event"] for each in events] == ["end"]
        assert client.get("/tasks/unknown").status_code == 404
        assert client.get("/schema/openapi.json").status_code == 200


def test_the_example_with_fastapi_knows_the_schema_of_its_answers() -> None:
    with fastapi_app.using_broker(MemoryBroker()), TestClient(fastapi_site) as client:
        schema = client.get("/openapi.json").json()
        states = schema["components"]["schemas"]["TaskView"]["properties"]["state"]["enum"]
        ordered = client.post("/reports/short", json={"title": "Whales", "pages": 1})

        assert set(states) == {"waiting", "running", "succeeded", "failed", "cancelled", "ended"}
        assert ordered.json()["result"] == {"title": "Whales", "words": 250}
        assert "EventSource" in client.get("/").text
        assert client.get("/fq/").status_code == 200


@pytest.mark.parametrize("framework", ["fastapi", "starlette", "litestar"])
def test_the_pages_of_fq_are_mounted_with_their_files(framework: str) -> None:
    app = App("memory://")
    pages = web(app, access=lambda _: "read")
    script = next(Path(__file__).parents[2].glob("fq/web/static/*.js")).name

    fastapi = FastAPI()
    fastapi.mount("/fq", pages)
    site = {"fastapi": fastapi, "starlette": Starlette(routes=[Mount("/fq", pages)]), "litestar": Litestar([mount("/fq", pages)])}[
        framework
    ]
    client = LitestarClient(site) if isinstance(site, Litestar) else TestClient(site)

    assert client.get("/fq/").status_code == 200
    assert client.get("/fq/queues", headers={"accept": "application/json"}).json()["queues"] == []
    assert client.get(f"/fq/static/{script}").status_code == 200
    assert "/fq/static/" in client.get("/fq/").text, "links of the page are below its path"
