"""
Limits: a mail service that bears 5 calls in any quarter of a second, and customers of whom each may have one export running.

``python -m examples.limits`` runs it in one process, with eight threads, and prints what was never exceeded.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Lock

from fq import App, ConcurrentRateLimiter, Message, concurrency_limit, rate_limit

CUSTOMERS = ("ada", "grace", "edsger")

app = App("memory://")
archive = ConcurrentRateLimiter(app, "archive", limit=2)  # for a part of an actor; the layers below are for the whole of one

lock = Lock()
mails: dict[str, float] = {}
running: Counter[str] = Counter()
most: Counter[str] = Counter()
exported: defaultdict[str, list[int]] = defaultdict(list)


def customer(message: Message) -> str:
    """Return the customer whom *message* is about: each is limited alone."""
    return str(message.kwargs["customer"])


@app.actor(rate_limit(limit=5, window=timedelta(milliseconds=250)))
def send_mail(to: str) -> None:
    """Call the mail service."""
    mails[to] = time.monotonic()


@app.actor(concurrency_limit(limit=1, key=customer))
def export(number: int, *, customer: str) -> None:
    """Export something for *customer*, and put it into the archive, which takes two at a time."""
    with counted(customer), archive.acquire():  # who is refused by the archive comes again later: that is no failed attempt
        time.sleep(0.01)
        exported[customer].append(number)


@contextmanager
def counted(customer: str) -> Iterator[None]:
    """Count the exports that *customer* has running."""
    with lock:
        running[customer] += 1
        most[customer] = max(most[customer], running[customer])
    try:
        yield
    finally:
        with lock:
            running[customer] -= 1


def main() -> None:
    """Send the messages, let a worker run them, and print what happened."""
    app.send_many(send_mail.call(f"{n}@example.com") for n in range(20))
    app.send_many(export.call(n, customer=name) for n in range(6) for name in CUSTOMERS)
    with app.worker(threads=8):
        while len(mails) < 20 or sum(map(len, exported.values())) < 18:
            time.sleep(0.01)
    times = sorted(mails.values())
    fastest = min(later - earlier for earlier, later in zip(times, times[5:], strict=False))
    print(f"{len(mails)} mails, never more than 5 in 250 ms: the nearest six were {fastest * 1_000:.0f} ms apart")
    for name in CUSTOMERS:
        print(f"{len(exported[name])} exports for {name}, at most {most[name]} at once")
    print(f"dead letters: {len(app.broker.dead_letters())}")


if __name__ == "__main__":
    main()
