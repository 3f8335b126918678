"""
Sends that are part of the outcome: an import is cut short twice, and each of its parts is loaded once all the same.

``python -m examples.following`` runs it with `Call.send` and with `Call.follow`, and prints how often each part was loaded.
"""

import logging
from collections import Counter

from fq import App

PARTS = ("customers", "orders", "invoices")

app = App("memory://")
loaded: Counter[str] = Counter()
reports: list[str] = []
attempts: Counter[str] = Counter()


@app.actor
def load(part: str) -> None:
    """Load one part of a file."""
    loaded[part] += 1


@app.actor
def report(text: str) -> None:
    """Tell somebody."""
    reports.append(text)


def may_fail(name: str) -> None:
    """Fail in the first two attempts of the actor called *name*."""
    attempts[name] += 1
    if attempts[name] < 3:
        raise ConnectionError("the database is away")


@app.actor(min_backoff=0)
def import_with_send(parts: tuple[str, ...]) -> None:
    """Send a message for each part, at once."""
    for part in parts:
        load.send(part)
    may_fail("send")


@app.actor(min_backoff=0)
def import_with_follow(parts: tuple[str, ...]) -> None:
    """Send a message for each part with the commit, and a report with any final outcome."""
    for part in parts:
        load.call(part).follow()
    report.call(f"imported {len(parts)} parts").follow(always=True)
    may_fail("follow")


def main() -> None:
    """Run both, and print the counts."""
    logging.getLogger("fq").setLevel(logging.CRITICAL)
    for actor in (import_with_send, import_with_follow):
        loaded.clear()
        actor.send(PARTS)
        app.run_until_idle()
        print(f"{actor.name}: " + ", ".join(f"{part} {loaded[part]}x" for part in PARTS))
    print(f"reports: {reports}")


if __name__ == "__main__":
    main()
