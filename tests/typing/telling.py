"""
The types of what a running actor tells, as mypy and pyright see them. Never run; see ``api.py`` for how a line proves that it is an error.
"""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from attrs import frozen
from returns.result import Result, Success

from fq import App, Call, Handle, Progress, Watch, emit, progress
from fq.calls.emitting import EmittingActor, EmittingCall
from fq.calls.emitting_handle import EmittingHandle

app = App("memory://")


@frozen
class Chunk:
    text: str


@app.actor
def convert(pages: int) -> str:
    progress(1, of=pages, note="page 1")
    progress({"stage": "upload"})
    progress(done=1)
    return "done"


@app.actor(emits=Chunk)
async def answer(question: str) -> int:
    emit(Chunk(question))
    return 1


@app.actor(emits=Chunk, max_retries=3)
def spell(word: str) -> Result[int, ValueError]:
    return Success(len(word))


handle = convert.send(1)
assert_type(handle.progress(), Progress | None)
assert_type(handle.status().progress, Progress | None)
assert_type(handle.watch(), Watch[Progress | str])

assert_type(answer.send("a"), EmittingHandle[int, Chunk])
assert_type(answer.call("a"), EmittingCall[int, Chunk])
assert_type(answer.call("a").delay(5).send(), EmittingHandle[int, Chunk])
assert_type(answer.call("a").follow(), EmittingHandle[int, Chunk])
assert_type(spell.send("a").watch(), Watch[Chunk | int])

plain: Handle[int] = answer.send("a")
call: Call[int] = answer.call("a")
sync: Iterator[Chunk | int] = answer.send("a").watch()
colour: AsyncIterator[Chunk | int] = answer.send("a").watch()
assert_type(app.group([answer.call("a"), answer.call("b")]).send(), Handle[list[int]])
assert_type((convert.call(1) | answer).send(), Handle[int])


async def watch() -> None:
    async for found in answer.send("a").watch(on_restart=lambda: None):
        assert_type(found, Chunk | int)
    assert_type(await answer.asend("a"), EmittingHandle[int, Chunk])
    assert_type(await handle.aprogress(), Progress | None)


for item in handle.watch(timeout=5, interval=10):
    assert_type(item, Progress | str)


def declared(actor: EmittingActor[[str], int, int, Chunk]) -> None: ...


answer.send(1)  # type: ignore[arg-type]
answer.call(1)  # type: ignore[arg-type]
progress(1, of="2")  # type: ignore[arg-type]
progress()  # type: ignore[call-arg]
handle.watch(on_restart=lambda: None)  # type: ignore[call-arg]
app.actor(emits=Chunk, max_retry=3)  # type: ignore[call-overload]
