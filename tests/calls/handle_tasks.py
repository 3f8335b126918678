"""An app that another process can import, on the broker at $FQ_URL, for the tests of pickled handles."""

from datetime import UTC, datetime

from fq import App

app = App()


@app.actor
def add(a: int, b: int = 0) -> int:
    return a + b


@app.actor
def double(n: int) -> int:
    return 2 * n


@app.actor
def when() -> datetime:
    return datetime(2030, 1, 31, tzinfo=UTC)
