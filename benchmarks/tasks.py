"""The tasks that the benchmarks run: they do nothing, so that what is measured is fq."""

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
    """Return when it ran."""
    return time.time()
