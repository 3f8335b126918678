"""The fixtures, and that the plugin costs nothing until one is used."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from fq import App, actor
from fq.testing import ManualClock

ROOT = Path(__file__).parent.parent.parent
own = App("redis://nowhere.invalid")


@actor
def free(n: int) -> int:
    return n


@own.actor
def double(n: int) -> int:
    return 2 * n


def test_the_clock_is_that_of_the_app(fq_app: App, fq_clock: ManualClock) -> None:
    fq_app.include(free)
    handle = free.call(3).delay(1_000).send()
    fq_clock.advance(999)

    assert handle.status().state == "delayed"
    fq_clock.advance(1)
    assert handle.status().state == "ready"


@pytest.mark.parametrize("time", ["first", "second"])
def test_an_actor_of_no_app_can_be_included_in_every_test(fq_app: App, time: str) -> None:
    fq_app.include(free)

    assert free.app is fq_app


def test_an_app_of_ones_own_is_bound_for_the_test(fq_bind: Callable[[App], App], fq_clock: ManualClock) -> None:
    app = fq_bind(own)
    handle = double.call(21).delay(500).send()
    fq_clock.advance(500)
    app.run_until_idle()

    assert app is own
    assert handle.get_result() == 42


def test_an_app_of_ones_own_is_its_own_again() -> None:
    assert "redis://nowhere.invalid" in str(own.broker)


def test_pytest_is_told_of_the_plugin_and_the_plugin_is_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["entry-points"]["pytest11"] == {"fq": "pytest_fq"}
    assert "pytest_fq.py" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]


def test_the_plugin_does_not_import_fq() -> None:
    code = "import sys, pytest_fq; sys.exit('fq' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
