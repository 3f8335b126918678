"""
The types of workflows, as mypy and pyright see them. Never run; see ``api.py`` for how a line proves that it is an error.
"""

from datetime import timedelta
from typing import assert_type

from fq import App, Call, Fault, Group, Handle, Message, callbacks, group, pipeline, shutdown, shutdown_notifications

app = App("memory://")


@app.actor
async def fetch(url: str) -> bytes:
    return url.encode()


@app.actor
def parse(page: bytes, *, limit: int = 10) -> list[str]:
    return page.decode().split()[:limit]


@app.actor
def count(page: bytes) -> int:
    return len(page)


@app.actor
def add(a: int, b: int) -> int:
    return a + b


@app.actor
def report(pages: list[bytes]) -> str:
    return str(len(pages))


@app.actor
def titled(pages: list[bytes], title: str) -> str:
    return title + str(len(pages))


@app.actor
def tolerant(pages: list[bytes | Fault]) -> str:
    return str(len(pages))


@app.actor
def both(pair: tuple[bytes, int]) -> str:
    return str(pair)


@app.actor
def nested(pages: list[list[bytes]]) -> int:
    return len(pages)


urls = ["a", "b"]


# Pipelines.

assert_type(fetch.call("a") | parse, Call[list[str]])
assert_type(fetch.call("a") | count | add.call(1, 2), Call[int])
assert_type(fetch.call("a").then(parse, limit=3), Call[list[str]])
assert_type((fetch.call("a") | count).then(add, 3), Call[int])
assert_type((fetch.call("a") | parse).send(), Handle[list[str]])
assert_type((fetch.call("a") | parse).delay(timedelta(seconds=1)).with_options(max_retries=1), Call[list[str]])
assert_type(pipeline([fetch.call("a"), parse]), Call[object])

fetch.call("a") | add  # type: ignore[operator]
fetch.call("a") | 3  # type: ignore[operator]
fetch.call("a").then(add, 3)  # type: ignore[arg-type]
fetch.call("a").then(parse, limits=3)  # type: ignore[call-arg]
(fetch.call("a") | count).then(add, "3")  # type: ignore[arg-type]
pipeline([3])  # type: ignore[list-item]


# Groups.

pages = group([fetch.call(url) for url in urls])
assert_type(pages, Group[list[bytes]])
assert_type(pages.delay(5), Group[list[bytes]])
assert_type(app.group([fetch.call(url) for url in urls]), Group[list[bytes]])
assert_type(pages | report, Call[str])
assert_type(pages.then(titled, "pages: "), Call[str])
assert_type(pages.then(titled, title="pages: "), Call[str])
assert_type(pages.on_completion(report).on_completion(titled, "x"), Group[list[bytes]])
assert_type(pages.send().get_result(block=True), list[bytes])
assert_type(group([pages, pages]), Group[list[list[bytes]]])
assert_type(group([pages, pages]) | nested, Call[int])
assert_type(group([fetch.call(url) | parse for url in urls]), Group[list[list[str]]])

pair = group(fetch.call("a"), add.call(1, 2))
assert_type(pair, Group[tuple[bytes, int]])
assert_type(pair | both, Call[str])
assert_type(pair.send().get_result(), tuple[bytes, int])
assert_type(group(fetch.call("a"), add.call(1, 2), pages), Group[tuple[bytes, int, list[bytes]]])
assert_type(group(*[fetch.call(url) for url in urls]), Group[tuple[bytes, ...]])

collected = group([fetch.call(url) for url in urls], on_member_failure="collect")
assert_type(collected, Group[list[bytes | Fault]])
assert_type(collected | tolerant, Call[str])
assert_type(group(fetch.call("a"), add.call(1, 2), on_member_failure="collect"), Group[tuple[bytes | Fault, int | Fault]])

pages | count  # type: ignore[operator]
pages.then(titled, 3)  # type: ignore[arg-type]
pages.then(titled)  # type: ignore[call-arg]
pages.on_completion(count)  # type: ignore[arg-type]
collected | report  # type: ignore[operator]
pair | report  # type: ignore[operator]
group([pages, pages]) | report  # type: ignore[operator]
group([fetch.call("a")], on_member_failure="ignore")  # type: ignore[call-overload]
group([3])  # type: ignore[arg-type]


# Groups of actors, each of which gets the result of the step before.

assert_type(fetch.call("a") | group([count, count]), Call[list[int]])
assert_type(fetch.call("a") | group(parse, count), Call[tuple[list[str], int]])
fetch.call("a") | group([add])  # type: ignore[arg-type]
add.call(1, 2) | group([count])  # type: ignore[arg-type]


# Callbacks.


@app.actor
def celebrate(message_data: Message, result: int) -> None: ...


@app.actor
def mourn(message_data: dict[str, object], error: dict[str, str]) -> None: ...


@app.actor
def lonely(message_data: Message) -> None: ...


@app.actor(on_success=celebrate, on_failure="mourn", on_retry_exhausted=None, notify_shutdown=True, group_ttl=timedelta(days=1))
def work() -> int:
    return 3


@app.actor(callbacks(on_success=celebrate), shutdown_notifications(notify_shutdown=True))
def work_with_layers() -> int:
    return 3


work.call().with_options(on_failure=mourn)
work.call().with_options(on_failure=lonely)  # type: ignore[arg-type]
work.call().with_options(on_failure=print)  # type: ignore[arg-type]
app.actor(on_succes=celebrate)  # type: ignore[call-overload]
shutdown_notifications(notify_shutdown=lambda: None)
shutdown()
