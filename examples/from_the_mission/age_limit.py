"""
Age limits: a message that is too old is not run. One limit for all actors, and another for one actor.

It prints::

    AgeLimit(max_age=3600000)
    AgeLimit(max_age=1800000)
    fresh: Processing a
    too old: AgeLimitExceeded
"""

import logging
from datetime import timedelta

from returns.pipeline import is_successful

from fq import AgeLimit, App, Fault, age_limit, default_middleware

app = App("memory://", middleware=default_middleware.replace(age_limit(max_age=timedelta(hours=1))))


@app.actor(max_age=1_800_000)  # 30 minutes
def time_sensitive_task(data: str) -> str:
    return f"Processing {data}"


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    print(app.stack.get(AgeLimit))
    print(app.stack_of(time_sensitive_task).get(AgeLimit))
    fresh = time_sensitive_task.send("a")
    app.run_until_idle()
    print("fresh:", fresh.get_result())
    old = time_sensitive_task.call("b").delay(timedelta(minutes=31)).send()
    app.run_until_idle()  # the memory broker's clock jumps over the delay
    result = old.get()
    fault = None if is_successful(result) else result.failure()
    print("too old:", fault.type if isinstance(fault, Fault) else fault)
