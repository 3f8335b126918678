"""A project folder with an application in it, and a way to run the command line there."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from fq import App
from fq.cli import main

TASKS = """
import datetime
from decimal import Decimal

from attrs import frozen
from fq import App, retries

app = App("sqlite:///jobs.db")
other = 3


@frozen
class Order:
    number: int
    price: Decimal


@app.actor(max_retries=3)
def add(a: int, b: int = 10) -> int:
    return a + b


@app.actor(retries(max_retries=0), queue="mail", time_limit=datetime.timedelta(seconds=5))
async def send_mail(to: str, *, subject: str = "none") -> str:
    return f"{to}: {subject}"


@app.actor
def log(text: str) -> None: ...


@app.actor(max_retries=0)
def fails() -> int:
    raise ValueError("out of paper")


@app.actor
def ship(order: Order) -> tuple[Order, datetime.date]:
    return order, datetime.date(2030, 1, 31)
"""


class Fq(Protocol):
    """Runs ``fq`` with these arguments."""

    def __call__(self, *arguments: str) -> Result: ...


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with ``tasks.py`` in it; what is imported from it is forgotten afterwards."""
    (tmp_path / "tasks.py").write_text(TASKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "200")
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            app = getattr(sys.modules[name], "app", None)
            if hasattr(app, "broker"):
                app.broker.close()
            del sys.modules[name]


@pytest.fixture
def fq(project: Path) -> Fq:
    """Run ``fq`` in the project."""
    runner = CliRunner()
    return lambda *arguments: runner.invoke(main, arguments, prog_name="fq", catch_exceptions=False)


@pytest.fixture
def work(project: Path) -> Callable[[], int]:
    """Run all that waits in the project's application."""

    def run() -> int:
        app = sys.modules["tasks"].app
        return int(app.run_until_idle())

    return run


@pytest.fixture
def broker(fq: Fq):
    """The broker of the application in the folder that the commands run in."""
    broker = App("sqlite:///jobs.db").broker
    yield broker
    broker.close()


def sent(fq: Fq, *arguments: str) -> str:
    return fq("send", "tasks:app", *arguments).stdout.strip()


def die(fq: Fq, broker) -> str:
    """Let a message become a dead letter."""
    message_id = sent(fq, "fails")
    app = App(broker=broker)

    @app.actor(max_retries=0)
    def fails() -> int:
        raise ValueError("out of paper")

    app.run_until_idle()
    return message_id
