"""The tasks of the benchmarks. They do nothing, so that only fq is measured."""

import os
import time

from fq import App

app = App(os.environ.get("FQ_URL", "memory://"))


@app.actor
def noop() -> None:
    """Do nothing."""


@app.actor
async def anoop() -> None:
    """Do nothing, asynchronously."""


@app.actor
def stamp() -> float:
    """Return the time at which it runs."""
    return time.time()
