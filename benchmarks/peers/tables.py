"""The tables of a run, in Markdown: each figure is the median of the rounds, with the least and the greatest in brackets."""

from collections.abc import Iterator, Sequence
from statistics import median

from attrs import frozen

from benchmarks.peers.results import FIGURES, Key, Results

OURS = "fq"


@frozen
class Table:
    """Some *figures* of all queues of a group, under a *condition*."""

    title: str
    figures: tuple[str, ...]
    condition: str = ""


TABLES = (
    Table("Rates, a second", ("drain sync", "drain async", "drain sync, 2 processes", "send", "bare", "asend", "many")),
    Table("Processor time a message, and memory", ("worker cpu sync", "server cpu sync", "worker cpu async", "server cpu async", "memory")),
    Table("From send to start", ("idle p50", "idle p99", "load rate", "load p50", "load p99")),
    Table("An idle worker", ("commands sent", "commands run", "transactions", "idle cpu")),
)
CONDITIONED = (
    Table("With 1 ms of network each way", ("drain sync", "drain async", "send", "asend", "idle p50", "idle p99"), "1 ms"),
    Table("With 5 ms of network each way", ("drain sync", "drain async", "send", "asend", "idle p50", "idle p99"), "5 ms"),
    Table("With 1,000 waiting", ("turns", "steady", "send", "asend", "many", "idle p50", "idle p99", "memory"), "1,000 waiting"),
    Table("With 1,000,000 waiting", ("turns", "steady", "send", "asend", "many", "idle p50", "idle p99", "memory"), "1,000,000 waiting"),
)


@frozen
class Comparison:
    """
    fq beside the best of the others.

    Attributes:
        ratio: how many times better fq is: above 1 it is ahead, whether more or less is better.
    """

    group: str
    condition: str
    figure: str
    ours: float
    best: str
    theirs: float
    ratio: float


def markdown(results: Results) -> str:
    """Return all tables of *results*."""
    parts = []
    for group in results.about["queues"]:
        found = [line for table in (*TABLES, *CONDITIONED) for line in of_table(results, group, table)]
        parts += [f"### On {TITLES.get(group, group)}", "", *found] if found else []
    parts += ["### fq beside the best of the others", "", *comparison_lines(results)]
    parts += ["", "### fq beside what is possible, and beside itself", "", *possible_lines(results)]
    return "\n".join(parts)


TITLES = {"redis": "Redis", "sqlite": "SQLite", "postgres": "PostgreSQL"}


def of_table(results: Results, group: str, table: Table) -> list[str]:
    """Return the lines of *table*; none if nothing of it was measured."""
    names = [name for name in results.names(group) if measured(results, group, table, name)]
    figures = [figure for figure in table.figures if any(Key(group, table.condition, figure, name) in results.rounds for name in names)]
    if not figures:
        return []
    head = [table.title, *(f"{FIGURES[figure].title}, {FIGURES[figure].unit}" for figure in figures)]
    rows = [[name_of(name), *(cell(results.rounds.get(Key(group, table.condition, figure, name))) for figure in figures)] for name in names]
    return [*lines([head, ["---"] * len(head), *rows]), ""]


def measured(results: Results, group: str, table: Table, name: str) -> bool:
    """Was anything of *table* measured for the queue *name*?"""
    return any(Key(group, table.condition, figure, name) in results.rounds for figure in table.figures)


def name_of(name: str) -> str:
    """Return how a table names a queue."""
    return f"**{name}**" if name == OURS else name


def lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a Markdown table."""
    return [f"| {' | '.join(row)} |".replace("  ", " ") for row in rows]


def cell(values: Sequence[float] | None) -> str:
    """Return the median of *values*, and their range."""
    if not values:
        return ""
    if len(values) == 1 or number(min(values)) == number(max(values)):
        return number(median(values))
    return f"{number(median(values))} ({number(min(values))}–{number(max(values))})"


def number(value: float) -> str:
    """Return *value* with as many digits as it deserves."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def comparisons(results: Results) -> Iterator[Comparison]:
    """Yield fq beside the best of the others, for each figure that is a rate or a cost of both."""
    for group, condition, figure, name in results.rounds:
        if name != OURS or figure in ("load rate", "bare"):
            continue
        mine = results.middle(group, condition, figure, OURS)
        others = {other: results.middle(group, condition, figure, other) for other in peers(results, group)}
        known = {other: value for other, value in others.items() if value is not None}
        if not mine or not all(known.values()) or not known:  # nothing is a ratio to nothing
            continue
        more = FIGURES[figure].more_is_better
        best = (max if more else min)(known, key=lambda other: known[other])
        yield Comparison(group, condition, figure, mine, best, known[best], ratio(mine, known[best], more))


def ratio(ours: float, theirs: float, more_is_better: bool) -> float:
    """Return how many times better *ours* is."""
    above, below = (ours, theirs) if more_is_better else (theirs, ours)
    return above / below


def peers(results: Results, group: str) -> list[str]:
    """Return the queues of *group* that fq is compared with."""
    return [name for name in results.names(group) if name != OURS and not results.about["queues"][group][name]["bound"]]


def comparison_lines(results: Results) -> list[str]:
    """Return the table of all comparisons, the ones that fq loses marked."""
    head = ["", "fq", "the best of the others", "fq is", "times as good"]
    rows = [head, ["---"] * len(head)]
    for each in comparisons(results):
        figure = FIGURES[each.figure]
        what = f"{TITLES.get(each.group, each.group)}{', ' + each.condition if each.condition else ''}: {figure.title}, {figure.unit}"
        verdict = "ahead" if each.ratio > 1 else "level" if each.ratio == 1 else "**behind**"
        rows.append([what, number(each.ours), f"{number(each.theirs)} ({each.best})", verdict, f"{each.ratio:.2f}"])
    return lines(rows)


def possible_lines(results: Results) -> list[str]:
    """Return the table of fq beside a hand-written loop, a bare command, two processes, many waiting messages, and a slower network."""
    rows = [["", "", "beside", "ratio"], ["---"] * 4]
    for group in results.about["queues"]:
        for what, figure, condition, other in possible(results, group):
            ours, theirs = results.middle(group, condition, figure, OURS), results.middle(*other)
            if ours and theirs:
                rows.append([f"{TITLES.get(group, group)}: {what}", number(ours), number(theirs), f"{ours / theirs:.2f}"])
    return lines(rows)


def possible(results: Results, group: str) -> Iterator[tuple[str, str, str, tuple[str, str, str, str]]]:
    """Yield what to say, a figure of fq and its condition, and what it is divided by: group, condition, figure and name."""
    for colour in ("sync", "async"):
        bounds = [name for name in results.names(group) if results.about["queues"][group][name]["bound"]]
        for name in bounds:
            yield f"drained, {colour}, beside {name}", f"drain {colour}", "", (group, "", "drain sync", name)
    yield "drained by two processes, beside one", "drain sync, 2 processes", "", (group, "", "drain sync", OURS)
    yield "send, beside a bare command of the client", "send", "", (group, "", "bare", OURS)
    for figure in ("turns", "steady", "send", "asend", "many", "idle p50", "idle p99", "memory"):
        said = f"{FIGURES[figure].title}, {FIGURES[figure].unit}: 1,000,000 waiting, beside 1,000"
        yield said, figure, "1,000,000 waiting", (group, "1,000 waiting", figure, OURS)
    for figure in ("drain sync", "drain async", "send", "asend", "idle p50"):
        yield (
            f"{FIGURES[figure].title}, {FIGURES[figure].unit}: 1 ms of network each way, beside none",
            figure,
            "1 ms",
            (group, "", figure, OURS),
        )
