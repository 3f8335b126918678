"""
Async actors need no middleware: a worker runs hundreds of them at once on its event loop.

It prints::

    Async processed: test_data
    100 more, at once: True
"""

import asyncio
import time

from fq import App

app = App("memory://")


@app.actor
async def async_task(data: str) -> str:
    await asyncio.sleep(0.2)
    return f"Async processed: {data}"


if __name__ == "__main__":
    with app.worker(threads=1):
        print(async_task.send("test_data").get_result(block=True))
        started = time.monotonic()
        handles = app.send_many(async_task.call(f"item {number}") for number in range(100))
        done = [handle.get_result(block=True) for handle in handles]
        print(len(done), "more, at once:", time.monotonic() - started < 100 * 0.2)
