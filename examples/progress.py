"""
Progress and a stream: a file is imported, and an answer is given word by word, while the sender watches.

``python -m examples.progress`` prints what it sees.
"""

import asyncio
import time

from attrs import frozen

from fq import App, Progress, emit, progress

app = App("memory://")


@frozen
class Word:
    """A part of an answer."""

    text: str


@app.actor
def import_rows(rows: int) -> int:
    """Import rows, and tell how far it is."""
    for row in range(rows):
        progress(row, of=rows, note=f"row {row}")
        time.sleep(0.01)
    return rows


@app.actor(emits=Word)
async def answer(question: str) -> int:
    """Give an answer word by word."""
    words = f"You asked: {question}".split()
    for word in words:
        emit(Word(word))
        await asyncio.sleep(0.01)
    return len(words)


def watch_import(rows: int) -> None:
    """Watch an import from sync code."""
    for seen in import_rows.send(rows).watch(timeout=60_000, interval=100):
        print(f"import: {seen}" if isinstance(seen, Progress) else f"import: {seen} rows")


async def watch_answer(question: str) -> None:
    """Watch an answer from async code."""
    words: list[str] = []
    handle = await answer.asend(question)
    async for seen in handle.watch(timeout=60_000, interval=100, on_restart=words.clear):
        if isinstance(seen, Word):
            words.append(seen.text)  # noqa: PERF401  # a restart empties the list
    print("answer:", " ".join(words))


def main() -> None:
    """Watch both."""
    with app.worker(threads=2):
        watch_import(100)
        asyncio.run(watch_answer("is it far?"))


if __name__ == "__main__":
    main()
