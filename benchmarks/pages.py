"""
The pages of ``fq web`` over a million messages: the work of each page, and the longest step of the broker: see `benchmarks.meters`.

``python -m benchmarks.pages --help`` lists the options.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from attrs import define, field
from starlette.testclient import TestClient

from benchmarks.measure import console, matrix
from benchmarks.meters import Meter, Steps, metered
from benchmarks.million import QUEUES, fill, make_app, stores
from fq import App
from fq.web import web

PAGE_MS, STEP_MS = 300, 10
"""The targets: the work of a page, and the longest step of the broker."""

ROUNDS = 3
"""A page is asked for this many times; the least of each figure counts, since noise only adds time."""

PATHS = {
    "overview": "/",
    "queues": "/queues",
    "workers": "/workers",
    "schedules": "/schedules",
    "doctor": "/doctor",
    "metrics": "/metrics",
    "message": "/message?id={id}",
    "workflow": "/workflow?id={id}",
    "edit": "/edit?id={id}",
}
STATES = ("ready", "running", "delayed", "retrying", "dead", "finished")
FILTERS = {
    "a queue": "queue=mail",
    "an actor": "actor=resize",
    "no such actor": "actor=nobody",
    "an error": "error=ValueError",
    "no such error": "error=KeyError",
    "a tag": "tag=team-mail",
    "an argument": "argument=number%3D17",
    "no such argument": "argument=number%3Dnone",
}
ACTIONS: Mapping[str, Mapping[str, str]] = {
    "requeue": {"state": "dead", "error": "ValueError"},
    "discard": {"state": "dead", "error": "TimeoutError"},
    "cancel": {"state": "ready", "queue": "mail"},
    "run_now": {"state": "retrying"},
}


@define
class Figures:
    """Mutable: what one thing takes: the *work* of this process, the *longest* step of the broker, ms, and how many *steps* there are."""

    work: float = float("inf")
    longest: float = float("inf")
    steps: int = 0

    def add(self, work: float, steps: Steps) -> None:
        """Keep the least."""
        self.work, self.longest, self.steps = min(self.work, work), min(self.longest, steps.longest), steps.number

    def __str__(self) -> str:
        return f"{self.work:.0f} ms, {self.longest:.1f} ms, {self.steps}"

    @property
    def is_good(self) -> bool:
        """Are both within the targets?"""
        return self.work <= PAGE_MS and self.longest <= STEP_MS


@define
class Bench:
    """Mutable: the pages of *app*, over a store that *meter* measures; *found* has the figures."""

    app: App
    meter: Meter
    dead_id: str
    rounds: int
    found: dict[str, Figures] = field(factory=dict)

    def measure(self, what: str, call: Callable[[], object]) -> None:
        """Measure *call* once more."""
        self.meter.reset()
        began = time.process_time()
        call()
        work = (time.process_time() - began) * 1_000
        self.found.setdefault(what, Figures()).add(work, self.meter.steps())

    def run(self) -> None:
        """Measure all pages, each from a site that has kept no answer, then the actions."""
        for what, path in paths(self.dead_id):
            for _ in range(self.rounds):
                client = TestClient(web(self.app, access=lambda _: "all"), follow_redirects=False)
                self.measure(what, lambda client=client, path=path: client.get(path).raise_for_status())  # type: ignore[misc]  # kept at once
        for action, fields in ACTIONS.items():
            self._act(action, fields)
        self.measure("purge of a queue", lambda: self.app.broker.purge(QUEUES[1]))

    def _act(self, action: str, fields: Mapping[str, str]) -> None:
        client = TestClient(web(self.app, access=lambda _: "all"), follow_redirects=False)
        data = {"action": action, "all": "1", **fields}
        for what, extra in ((f"{action}: how many?", {}), (f"{action}: all that match", {"confirmed": "1"})):
            self.measure(what, lambda extra=extra: client.post("/act", data=data | extra, headers={"sec-fetch-site": "same-origin"}))  # type: ignore[misc]  # as above


def paths(dead_id: str) -> Iterator[tuple[str, str]]:
    """Yield what is measured, and its path."""
    for name, path in PATHS.items():
        yield name, path.format(id=dead_id)
    for state in STATES:
        yield f"messages: {state}", f"/messages?state={state}"
        for name, filter_ in FILTERS.items():
            yield f"messages: {state}, {name}", f"/messages?state={state}&{filter_}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages")
    parser.add_argument("--count", type=int, default=1_000_000, help="number of messages; default 1,000,000")
    parser.add_argument("--only", nargs="*", default=["memory", "sqlite", "redis"], help="names of the brokers to measure; default all")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often to ask for a page; default {ROUNDS}; the least counts")
    options = parser.parse_args([] if arguments is None else arguments)
    found: dict[str, Mapping[str, Figures]] = {}
    with stores() as urls:
        for name in options.only:
            console.print(f"{name}: filling a store with {options.count:,} messages", style="dim")
            found[name] = measure(urls[name], options.count, options.rounds)
    rows = [(what, *(cell(found[name].get(what)) for name in found)) for what in next(iter(found.values()))]
    matrix(f"pages over {options.count:,} messages: work of the page, longest step of the broker, steps", ["page", *found], rows)


def cell(figures: Figures | None) -> str:
    """Return *figures* as a cell of the table."""
    return "" if figures is None else str(figures) if figures.is_good else f"[bold red]{figures}[/]"


def measure(url: str, count: int, rounds: int) -> Mapping[str, Figures]:
    """Return the figures of a store at *url*."""
    app = make_app(url)
    dead_id = fill(app.broker, count)
    with metered(url, app.broker) as meter:
        bench = Bench(app, meter, dead_id, rounds)
        bench.run()
    app.broker.close()
    return bench.found


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
