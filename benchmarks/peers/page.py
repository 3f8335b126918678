"""Writes what was measured into ``docs/performance.md`` and ``README.md``, between two comments each, and draws the chart."""

from pathlib import Path

from benchmarks.peers.chart import FILE as CHART
from benchmarks.peers.chart import is_busy, svg
from benchmarks.peers.results import FIGURES, Results
from benchmarks.peers.tables import TITLES, comparisons, lines, markdown, number

ROOT = Path(__file__).parent.parent.parent
PAGE, README = ROOT / "docs" / "performance.md", ROOT / "README.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
BUSY = (
    "**Other programs used this machine during the run.** Rates and latencies are lower than on an idle one, and the spread is wide; "
    "compare within a table only. `make bench` on an idle machine replaces all figures of this section."
)


def publish(results: Results) -> None:
    """Write the page, the sentence in the README, and the chart."""
    for path, text in ((PAGE, section(results)), (README, sentence(results))):
        path.write_text(between(path.read_text(encoding="utf-8"), text), encoding="utf-8")
    CHART.write_text(svg(results), encoding="utf-8")


def between(page: str, text: str) -> str:
    """Return *page* with *text* between its two comments."""
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"found no {BEGIN} followed by {END} in the page; put both where the figures belong")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def section(results: Results) -> str:
    """Return the section of the page: machine, queues, tables."""
    parts = [setup(results), ""]
    if is_busy(results):
        parts += [BUSY, ""]
    return "\n".join([*parts, *queues(results), "", markdown(results)])


def setup(results: Results) -> str:
    """Return a paragraph about the machine and the run."""
    about, machine = results.about, results.about["machine"]
    stores = "; ".join(f"{TITLES.get(group, group)}: {text}" for group, text in about["stores"].items())
    rounds, window = about.get("rounds", 1), about["plan"]["window"]
    load = f"load before the run {machine['load']}" if "load" in machine else "load before the run not noted"
    note = f" {about['note']}" if "note" in about else ""
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "
        f"{load}. {rounds} round{'s' if rounds != 1 else ''}, each rate over {window:g} s. {stores}.{network(results)}{note}"
    )


def network(results: Results) -> str:
    """Return what a round trip through the proxy took."""
    trips = results.about.get("round trips", {})
    slow = ", ".join(f"{took:.2f} ms with {delay} each way" for delay, took in trips.items() if delay != "0 ms")
    return f" A round trip to Redis takes {trips['0 ms']:.2f} ms; through the proxy {slow}." if slow else ""


def queues(results: Results) -> list[str]:
    """Return the table of all queues with their versions and settings, and the list of those that are missing."""
    rows = [["on", "queue", "versions", "settings"], ["---"] * 4]
    for group, found in results.about["queues"].items():
        for name, about in found.items():
            versions = ", ".join(f"{package} {version}" for package, version in about["versions"].items() if version != "none")
            rows.append([TITLES.get(group, group), name, versions, about["settings"]])
    missing = [
        f"Not measured on {TITLES.get(group, group)}: {name}, because {' '.join(why.split())}"
        for kind in ("left out", "failed")
        for group, found in results.about.get(kind, {}).items()
        for name, why in found.items()
    ]
    return [*lines(rows), *(["", *(f"- {line}" for line in missing)] if missing else [])]


def sentence(results: Results) -> str:
    """Return the sentence of the README: what fq drains beside the best of the others, and where it is behind."""
    found = [each for each in comparisons(results) if each.group == "redis" and not each.condition]
    drains = {each.figure: each for each in found if each.figure in ("drain sync", "drain async")}
    text = "; ".join(
        f"{FIGURES[name].title}: {number(each.ours)} messages a second, {each.ratio:.1f} times {each.best}" for name, each in drains.items()
    )
    behind = [FIGURES[each.figure].title for each in found if each.ratio < 1]
    losses = f" It is behind the best of them in: {'; '.join(behind)}." if behind else ""
    busy = " Measured on a busy machine." if is_busy(results) else ""
    return f"One worker process on Redis: {text}.{losses}{busy}"


def main() -> None:
    """Draw tables and chart again, from the results."""
    publish(Results.read())
