"""The fixtures of every broker, and an app with tasks on top of one."""

import pytest
from attrs import frozen

from fq import App, emit, progress
from fq.brokers.memory import MemoryBroker
from tests.brokers.harness import Harness
from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]

SECRET = "a secret of the tests"


@frozen
class Point:
    x: int
    y: int


def declare(app: App) -> App:
    """Give *app* the actors of these tests."""

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    @app.actor
    def point(x: int) -> Point:
        return Point(x, x)

    @app.actor(max_retries=0)
    def fail(text: str) -> int:
        raise ConnectionError(f"the password is {text}")

    @app.actor(max_retries=0)
    def nothing(fails: bool = False) -> None:
        if fails:
            raise ValueError("no")

    @app.actor(emits=str, max_retries=1, min_backoff=0)
    def spell(word: str, fails: bool = False) -> int:
        progress(1, of=2, note="half")
        for letter in word:
            emit(letter)
        if fails:
            raise ValueError(word)
        return len(word)

    return app


@pytest.fixture
def app(harness: Harness) -> App:
    """An app on a broker of each kind."""
    return declare(App(broker=harness.broker()))


@pytest.fixture
def memory_app() -> App:
    """An app in memory, for what is the same for all brokers."""
    return declare(App(broker=MemoryBroker()))


class Events(list):
    """Server-sent events, as a browser reads them: dicts with the keys event, id and data."""

    @classmethod
    def of(cls, text: str) -> "Events":
        blocks = [block for block in text.split("\n\n") if block and not block.startswith((":", "retry:"))]
        return cls(dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks)

    def named(self, name: str) -> list[str]:
        return [each["data"] for each in self if each["event"] == name]
