"""
The pytest plugin of fq: the fixtures `fq_clock`, `fq_app` and `fq_bind`, made with `fq.testing`.

It is outside of the package because pytest imports its plugins at every start: fq is imported when one of these fixtures is used first.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fq import App
    from fq.testing import ManualClock


@pytest.fixture
def fq_clock() -> "ManualClock":
    """The clock of `fq_app`, and of every app that `fq_bind` binds: it moves only by ``fq_clock.advance(ms)``."""
    from fq.testing import ManualClock  # noqa: PLC0415  # see above

    return ManualClock()


@pytest.fixture
def fq_app(fq_clock: "ManualClock") -> "Iterator[App]":
    """A new app with a broker in memory. At the end of the test, its actors belong to no app again."""
    from fq import App  # noqa: PLC0415  # see above
    from fq.testing import memory  # noqa: PLC0415  # see above

    app = App("memory://")
    with memory(app, clock=fq_clock):
        yield app
    for actor in app.actors.values():
        actor.owner.app = None


@pytest.fixture
def fq_bind(fq_clock: "ManualClock") -> "Iterator[Callable[[App], App]]":
    """A function that replaces the broker of your app by one in memory, until the end of the test, and returns the app."""
    from fq.testing import memory  # noqa: PLC0415  # see above

    with ExitStack() as stack:

        def bind(app: "App") -> "App":
            stack.enter_context(memory(app, clock=fq_clock))
            return app

        yield bind
