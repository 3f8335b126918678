"""A rig for each test, on SQLite, and the same application on this side of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fq import App
from tests.chaos.brokers import broker
from tests.chaos.harness import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(f"sqlite:///{tmp_path}/chaos.db", tmp_path)


@pytest.fixture
def app(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    from tests.chaos import tasks

    app = App(broker=broker({**rig.environment, **rig.here}), middleware=tasks.app.stack)
    for actor in tasks.app.actors.values():
        monkeypatch.setattr(actor.owner, "app", None)
    app.include(*tasks.app.actors.values())
    yield app
    app.broker.close()
