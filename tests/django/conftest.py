"""The project of ``examples/django``, set up in this process: its database in a folder of its own, its app on a broker in memory for each test."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
from django.core.management import call_command

from tests.every_broker import harness, kind

__all__ = ["harness", "kind"]

PROJECT = Path(__file__).parents[2] / "examples" / "django"
STATE = Path(tempfile.mkdtemp(prefix="fq-django-"))
"""Where the databases of the project are, in this process and in the workers that tests start."""


def set_up() -> None:
    """Set up Django, and make the tables."""
    atexit.register(shutil.rmtree, STATE, ignore_errors=True)
    sys.path.insert(0, str(PROJECT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    before = os.environ.get("SHOP_STATE")
    os.environ["SHOP_STATE"] = str(STATE)
    try:
        django.setup()
    finally:
        del os.environ["SHOP_STATE"]
        os.environ |= {} if before is None else {"SHOP_STATE": before}
    call_command("migrate", verbosity=0)


set_up()

from fq import App  # noqa: E402  # Django must be set up
from fq.brokers.memory import MemoryBroker  # noqa: E402
from fq.django import app as project_app  # noqa: E402
from fq.testing import memory  # noqa: E402
from tests.brokers.harness import Harness  # noqa: E402


@pytest.fixture
def app(silent: None) -> Iterator[App]:
    """The app of the project, on a broker in memory; its log is silent."""
    with memory(project_app):
        yield project_app


@pytest.fixture
def broker(app: App) -> MemoryBroker:
    """Its broker, whose clock can be moved."""
    return app.broker


@pytest.fixture
def every_app(harness: Harness, silent: None) -> Iterator[App]:
    """The app of the project, on a broker of each kind."""
    with project_app.using_broker(harness.broker()):
        yield project_app


@pytest.fixture
def database() -> Iterator[None]:
    """The database, emptied afterwards."""
    yield
    call_command("flush", verbosity=0, interactive=False)
