"""
Reading the result of an actor: as a value or an exception, and asynchronously.

It prints::

    Task result: {'processed': 'test_data', 'words': 1}
    <Success: {'processed': 'test_data', 'words': 1}>
    awaited: <Success: {'processed': 'more data', 'words': 2}>
"""

import asyncio

from fq import App, default_middleware, results

app = App("memory://", middleware=default_middleware.replace(results(store_results=True)))


@app.actor(store_results=True)
def task_with_result(data: str) -> dict[str, object]:
    return {"processed": data, "words": len(data.split())}


async def wait_for_another() -> None:
    handle = await task_with_result.asend("more data")
    print("awaited:", await handle.aget(timeout=30_000))


if __name__ == "__main__":
    with app.worker(threads=1):
        message = task_with_result.send("test_data")
        result = message.get_result(block=True, timeout=30_000)
        print(f"Task result: {result}")
        print(message.get())  # the same as a value: a Success, or a Failure that says why there is none
        asyncio.run(wait_for_another())
