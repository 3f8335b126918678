"""
The pytest plugin of fq: the fixtures `fq_clock`, `fq_app` and `fq_bind`. What they are made of is in `fq.testing`.

Outside of the package, since pytest imports its plugins at every start: `import fq` happens when the first of these fixtures is used.
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
    """The clock of `fq_app`, and of whatever `fq_bind` binds: it stands still until ``fq_clock.advance(ms)``."""
    from fq.testing import ManualClock  # noqa: PLC0415  # see above

    return ManualClock()


@pytest.fixture
def fq_app(fq_clock: "ManualClock") -> "Iterator[App]":
    """A new app on a broker in memory. Actors that it includes belong to no app again at the end of the test."""
    from fq import App  # noqa: PLC0415  # see above
    from fq.testing import memory  # noqa: PLC0415  # see above

    app = App("memory://")
    with memory(app, clock=fq_clock):
        yield app
    for actor in app.actors.values():
        actor.owner.app = None


@pytest.fixture
def fq_bind(fq_clock: "ManualClock") -> "Iterator[Callable[[App], App]]":
    """A function that lends an app of yours a broker in memory, until the end of the test, and returns the app."""
    from fq.testing import memory  # noqa: PLC0415  # see above

    with ExitStack() as stack:

        def bind(app: "App") -> "App":
            stack.enter_context(memory(app, clock=fq_clock))
            return app

        yield bind
