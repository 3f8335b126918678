"""
Retries: the defaults, a custom configuration, custom logic, and settings of one actor.

The class `Retries` and its arguments are those of the page. The lower-case `retries` makes the same layer and takes durations as
timedelta, too.

It prints::

    Retries(max_retries=20, min_backoff=15000, max_backoff=604800000, retry_when=None, throws=())
    Retries(max_retries=5, min_backoff=1000, max_backoff=300000, retry_when=None, throws=())
    ConnectionError: 4 attempts
    ValueError: 1 attempts
    Retries(max_retries=3, min_backoff=5000, max_backoff=604800000, retry_when=None, throws=())
    fragile_task: 4 attempts
"""

import logging
from datetime import timedelta

from fq import App, Retries, default_middleware, retries
from fq.errors import Error

# Default retries
default = Retries()

# Custom retry configuration
custom = retries(
    max_retries=5,
    min_backoff=timedelta(seconds=1),
    max_backoff=timedelta(minutes=5),
)


# Custom retry logic
def should_retry(retries_so_far: int, exception: Error) -> bool:
    # Only retry on specific exceptions
    return isinstance(exception, (ConnectionError, TimeoutError)) and retries_so_far < 3


app = App("memory://", middleware=default_middleware.replace(Retries(retry_when=should_retry)))
attempts: list[str] = []


@app.actor
def flaky_task(kind: str) -> None:
    attempts.append(kind)
    raise ConnectionError(kind) if kind == "ConnectionError" else ValueError(kind)


# Actor-specific retry settings
@app.actor(max_retries=3, min_backoff=5000, retry_when=None)
def fragile_task(data: str) -> str:
    attempts.append("fragile_task")
    raise RuntimeError("Random failure")


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    print(default)
    print(custom)
    for kind in ("ConnectionError", "ValueError"):
        flaky_task.send(kind)
        app.run_until_idle()  # the memory broker's clock jumps over the delays
        print(f"{kind}: {attempts.count(kind)} attempts")
    print(app.stack_of(fragile_task).get(Retries))
    fragile_task.send("data")
    app.run_until_idle()
    print(f"fragile_task: {attempts.count('fragile_task')} attempts")
