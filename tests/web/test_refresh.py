"""The stream of a page: what it sends is what the page itself has."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request

from fq import App
from fq.web import answers
from fq.web.access import Permissions
from fq.web.pages import PAGES
from fq.web.site import Page, environment
from fq.web.site import Site as Pages
from tests.web.conftest import Site
from tests.web.live import filled_app


def request_for(path: str, cookie: str = "") -> Request:
    path, _, query = path.partition("?")
    headers = [(b"cookie", cookie.encode())] if cookie else []
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers, "client": None}
    return Request({**scope, "fq.permissions": Permissions.of("all"), "root_path": ""})


def page_at(path: str) -> Page | None:
    return next((page for page in PAGES if page.path == path.partition("?")[0]), None)


def test_a_refresh_sends_the_main_part_of_each_page() -> None:
    app, paths = filled_app()
    site = Pages(app, environment())
    for name, path in paths.items():
        page = page_at(path)
        if page is None or not page.is_live or name == "error":
            continue
        sent = answers.current_main(site, page, PAGES, request_for(path))
        whole = Site(app).html(path).partition("<main")[2].partition(">\n")[2].partition("</main>")[0]

        assert [line.split("<time")[0] for line in sent.split("\n") if "<time" not in line][:5] == [
            line.split("<time")[0] for line in whole.split("\n") if "<time" not in line
        ][:5], name
        assert "<html" not in sent


def test_an_error_during_a_refresh_is_shown(memory_app: App) -> None:
    site = Pages(memory_app, environment())
    page = page_at("/message")
    assert page is not None

    assert 'role="alert">no message gone' in answers.current_main(site, page, PAGES, request_for("/message?id=gone"))


@pytest.mark.parametrize(
    ("cookie", "query", "seconds"),
    [("", "", 5), ("fq_every=30", "", 30), ("fq_every=0", "", 0), ("fq_every=999", "", 60), ("fq_every=x", "", 5), ("", "?live=2", 2)],
)
def test_the_refresh_is_every_1_to_60_seconds(cookie: str, query: str, seconds: int) -> None:
    assert answers.refresh_seconds(request_for(f"/{query}", cookie)) == seconds


def test_a_page_is_sent_again_after_each_wait(memory_app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            memory_app.broker.pause("mail")

    monkeypatch.setattr(answers.asyncio, "sleep", sleep)
    monkeypatch.setattr(answers, "MOST_EVENTS", 4)
    page = page_at("/queues")
    assert page is not None

    async def read(events: AsyncIterator[str]) -> list[str]:
        return [event async for event in events]

    response = asyncio.run(answers.answer_page(Pages(memory_app, environment()), page, PAGES, streaming("/queues?live=7")))
    sent = asyncio.run(read(response.body_iterator))

    assert waited == [7] * 4
    assert all("data: <h1>Queues</h1>" in event and event.endswith("\n\n") for event in sent)
    assert ["paused" in event for event in sent] == [False, False, True, True]


def streaming(path: str) -> Request:
    request = request_for(path)
    request.scope["headers"] = [(b"accept", b"text/html, text/event-stream")]
    return request
