"""
A limit on the number of messages of an actor that run at once, as an option of the actor: the page's class, unmodified, and fq's own layer.

The page's class counts in the memory of one process, and a message over the limit fails and is retried. fq's own layer counts in the broker, for
all processes, and a message over the limit runs when a slot is free, without using up an attempt.

It prints::

    class style: 6 done, at most 2 at once
    fq's own: 6 done, at most 2 at once
"""

import logging
import threading
import time
from collections.abc import Callable

from fq import App, RateLimitExceeded, Retries, class_style, concurrency_limit, default_middleware, hooks, retries


# The page's.
class RateLimitingMiddleware(class_style.Middleware):
    def __init__(self, default_limit: int = 100) -> None:
        self.default_limit = default_limit
        self.counters: dict[str, int] = {}
        self.lock = threading.Lock()  # which the page forgot: hooks are called from all threads

    @property
    def actor_options(self) -> set[str]:
        return {"rate_limit"}

    def before_process_message(self, broker: class_style.BrokerView, message: class_style.MessageView) -> None:
        actor_name = message.actor_name
        rate_limit = message.options.get("rate_limit", self.default_limit)
        assert isinstance(rate_limit, int)
        with self.lock:
            current_count = self.counters.get(actor_name, 0)
            if current_count >= rate_limit:
                raise RateLimitExceeded(f"Rate limit {rate_limit} exceeded for {actor_name}")
            self.counters[actor_name] = current_count + 1

    def after_process_message(
        self,
        broker: class_style.BrokerView,
        message: class_style.MessageView,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        with self.lock:
            if message.actor_name in self.counters:
                self.counters[message.actor_name] -= 1


class Gauge:
    """How many are inside, and how many there were at most."""

    def __init__(self) -> None:
        self.inside = self.most = self.done = 0
        self.lock = threading.Lock()

    def work(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.05)
        with self.lock:
            self.inside -= 1
            self.done += 1


def class_style_app(gauge: Gauge) -> tuple[App, Callable[[str], object]]:
    stack = default_middleware.replace(retries(min_backoff=20, max_backoff=40)).inside(Retries, hooks(RateLimitingMiddleware(50)))
    app = App("memory://", middleware=stack)

    @app.actor(options={"rate_limit": 2})
    def rate_limited_task(data: str) -> str:
        gauge.work()
        return f"Processed: {data}"

    return app, rate_limited_task.send


def own_app(gauge: Gauge) -> tuple[App, Callable[[str], object]]:
    app = App("memory://")

    @app.actor(concurrency_limit(limit=2))
    def rate_limited_task(data: str) -> str:
        gauge.work()
        return f"Processed: {data}"

    return app, rate_limited_task.send


def run(make: Callable[[Gauge], tuple[App, Callable[[str], object]]]) -> str:
    gauge = Gauge()
    app, send = make(gauge)
    for number in range(6):
        send(f"item {number}")
    with app.worker(threads=4):
        while gauge.done < 6:
            time.sleep(0.01)
    return f"{gauge.done} done, at most {gauge.most} at once"


if __name__ == "__main__":
    logging.getLogger("fq").setLevel(logging.CRITICAL)  # a message over the limit is logged as a failure that will be retried
    print("class style:", run(class_style_app))
    print("fq's own:", run(own_app))
