"""`Results`: every figure of every round, as one JSON file has it; `FIGURES` says what each figure is."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from attrs import Factory, define, frozen

FILE = Path(__file__).parent.parent / "results.json"


@frozen
class Figure:
    """
    What is measured.

    Attributes:
        title: how tables name it.

        unit: of the figure.

        more_is_better: is a rate, not a cost?
    """

    title: str
    unit: str
    more_is_better: bool = True


FIGURES: Mapping[str, Figure] = {
    "drain sync": Figure("drained, sync", "messages/s"),
    "drain async": Figure("drained, async", "messages/s"),
    "drain sync, 2 processes": Figure("drained, sync, two processes", "messages/s"),
    "worker cpu sync": Figure("CPU of the worker, sync", "µs/message", more_is_better=False),
    "server cpu sync": Figure("CPU of the server, sync", "µs/message", more_is_better=False),
    "worker cpu async": Figure("CPU of the worker, async", "µs/message", more_is_better=False),
    "server cpu async": Figure("CPU of the server, async", "µs/message", more_is_better=False),
    "send": Figure("send, one by one", "messages/s"),
    "bare": Figure("a bare command of the client", "commands/s"),
    "asend": Figure("32 sends in flight", "messages/s"),
    "many": Figure("send_many", "messages/s"),
    "idle p50": Figure("send to start, idle, p50", "ms", more_is_better=False),
    "idle p99": Figure("send to start, idle, p99", "ms", more_is_better=False),
    "load rate": Figure("half load: sent", "messages/s"),
    "load p50": Figure("send to start, half load, p50", "ms", more_is_better=False),
    "load p99": Figure("send to start, half load, p99", "ms", more_is_better=False),
    "commands sent": Figure("commands that an idle worker sends", "/s", more_is_better=False),
    "commands run": Figure("commands that the server runs for it", "/s", more_is_better=False),
    "transactions": Figure("transactions of an idle worker", "/s", more_is_better=False),
    "idle cpu": Figure("CPU of an idle worker", "% of a core", more_is_better=False),
    "memory": Figure("memory of a worker (PSS)", "MB", more_is_better=False),
    "turns": Figure("turns of 256 by hand", "messages/s"),
    "steady": Figure("drained beside a producer", "messages/s"),
}


class Key(NamedTuple):
    """
    What a figure belongs to.

    Attributes:
        condition: what differs from an empty store on the loopback interface; empty if nothing does.

        figure: a key of `FIGURES`.
    """

    group: str
    condition: str
    figure: str
    peer: str


@define
class Results:
    """
    The figures of a run. Mutable.

    Attributes:
        about: the machine, the servers, the queues with their versions and settings, and what was left out.

        rounds: one value per round, by key.
    """

    about: dict[str, Any] = Factory(dict)
    rounds: dict[Key, list[float]] = Factory(dict)

    def record(self, key: Key, value: float) -> None:
        """Add the value of a round."""
        if key.figure not in FIGURES:
            raise KeyError(f"{key.figure!r} is no figure: results.FIGURES must name it")
        self.rounds.setdefault(key, []).append(value)

    def middle(self, group: str, condition: str, figure: str, peer: str) -> float | None:
        """Return the median of the rounds; None if nothing was measured."""
        values = self.rounds.get(Key(group, condition, figure, peer))
        return median(values) if values else None

    def names(self, group: str) -> list[str]:
        """Return the queues of *group* that have figures, in the order of their records."""
        described: Iterable[str] = self.about.get("queues", {}).get(group, ())
        return [name for name in described if any(key.group == group and key.peer == name for key in self.rounds)]

    def write(self, path: Path = FILE) -> None:
        """Write the JSON file."""
        figures = [{**key._asdict(), "rounds": [_rounded(value) for value in values]} for key, values in self.rounds.items()]
        lines = ",\n".join(f"    {json.dumps(each, ensure_ascii=False)}" for each in figures)
        about = json.dumps(self.about, ensure_ascii=False, indent=2)
        path.write_text(f'{{\n  "about": {about},\n  "figures": [\n{lines}\n  ]\n}}\n')

    @classmethod
    def read(cls, path: Path = FILE) -> "Results":
        """Return the results in the JSON file; empty results if there is none."""
        if not path.exists():
            return cls()
        found = json.loads(path.read_text())
        rounds = {Key(each["group"], each["condition"], each["figure"], each["peer"]): each["rounds"] for each in found["figures"]}
        return cls(found["about"], rounds)


def _rounded(value: float) -> float:
    """Return *value* with four digits that count, which is more than a run can tell."""
    return float(f"{value:.4g}")
