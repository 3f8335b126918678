"""The tasks of the site."""

import asyncio

from pydantic import BaseModel, Field

from fq import App, emit, progress

app = App("sqlite:///reports.db")


class Order(BaseModel):
    """What a client orders."""

    title: str = Field(min_length=1, max_length=100)
    pages: int = Field(ge=1, le=50)


class Report(BaseModel):
    """What it gets."""

    title: str
    words: int


@app.actor(emits=str, max_retries=2, throws=ValueError)
async def build(order: Order) -> Report:
    """Build a report, page by page."""
    if order.title == "impossible":
        raise ValueError("the password of the archive is 1234")
    words = 0
    for page in range(1, order.pages + 1):
        progress(page, of=order.pages, note=f"page {page}")
        emit(f"{order.title}, page {page}")
        words += 250
        await asyncio.sleep(0.05)  # writing takes time
    return Report(title=order.title, words=words)
