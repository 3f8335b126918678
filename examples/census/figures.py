"""The figures of the census. Pure functions: from results to figures, from figures to a table."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Result
from rich.table import Table

from examples.census.tasks import Count
from fq import Fault, TaskError


@frozen
class Figures:
    """The census of a folder of source files."""

    counts: Sequence[Count]
    failures: Counter[str]
    duplicates: int

    @classmethod
    def of(cls, counted: Sequence[Result[Count, TaskError]], fingerprints: Sequence[Result[str, TaskError]]) -> "Figures":
        """Return the figures of these results."""
        counts = [result.unwrap() for result in counted if is_successful(result)]
        failures = Counter(reason(result.failure()) for result in counted if not is_successful(result))
        hashes = [result.unwrap() for result in fingerprints if is_successful(result)]
        return cls(counts, failures, len(hashes) - len(set(hashes)))

    def rows(self) -> dict[str, str]:
        """Return the rows of the table."""
        imports = Counter(name for each in self.counts for name in each.imports)
        slowest = max(self.counts, key=lambda each: each.milliseconds, default=None)
        dead = ", ".join(f"{number} {kind}" for kind, number in self.failures.most_common())
        return {
            "files": f"{len(self.counts):,}",
            "lines": f"{sum(each.lines for each in self.counts):,}",
            "functions": f"{sum(each.functions for each in self.counts):,}",
            "classes": f"{sum(each.classes for each in self.counts):,}",
            "copies of another file": f"{self.duplicates:,}",
            "most imported": ", ".join(f"{name} {number:,}" for name, number in imports.most_common(5)),
            "retried, then counted": f"{sum(each.attempts > 1 for each in self.counts):,}",
            "dead letters": f"{self.failures.total():,} ({dead})" if dead else "0",
            "slowest": f"{Path(slowest.path).name}, {slowest.milliseconds:,} ms" if slowest else "",
        }


def reason(error: TaskError) -> str:
    """Return why there is no result."""
    return error.type if isinstance(error, Fault) else type(error).__name__


def table(title: str, rows: dict[str, str]) -> Table:
    """Return *rows* as a table for a terminal."""
    grid = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows.items():
        grid.add_row(name, value)
    return grid
