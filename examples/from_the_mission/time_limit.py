"""
Time limits: one for all actors, and another for one actor.

The exception is raised inside the actor, in the worker. The caller sees it as the result of the handle.

It prints::

    TimeLimit(time_limit=30000, interval=1000)
    TimeLimit(time_limit=100, interval=1000)
    the actor saw: TimeLimitExceeded
    the caller saw: TimeLimitExceeded
"""

import logging
import time

from returns.pipeline import is_successful

from fq import App, Fault, TimeLimit, TimeLimitExceeded, default_middleware, time_limit

app = App("memory://", middleware=default_middleware.replace(time_limit(time_limit=30_000)))  # 30 seconds


@app.actor(time_limit=100, max_retries=0)  # 100 ms, so that the example is quick
def long_running_task(data: str) -> str:
    try:
        for _ in range(1_000):  # long-running processing, which will be interrupted
            time.sleep(0.01)
    except TimeLimitExceeded:
        print("the actor saw: TimeLimitExceeded")
        raise
    return "Finished"


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    print(app.stack.get(TimeLimit))
    print(app.stack_of(long_running_task).get(TimeLimit))
    with app.worker(threads=1):
        result = long_running_task.send("test").get(timeout=10_000)
    fault = None if is_successful(result) else result.failure()
    print("the caller saw:", fault.type if isinstance(fault, Fault) else fault)
