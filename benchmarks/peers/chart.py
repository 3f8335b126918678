"""The chart of a run: bars for each queue, as an SVG in the style of the other drawings, which follow light and dark mode."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from statistics import median

from attrs import frozen

from benchmarks.peers.results import FIGURES, Key, Results
from benchmarks.peers.tables import OURS, number

PICTURES = Path(__file__).parent.parent.parent / "docs" / "pictures"
FILE = PICTURES / "peers.svg"

WIDTH, PANEL_WIDTH, MARGIN, HEAD, ROW, NAME, VALUE = 900, 418, 24, 56, 21, 74, 118
"""Pixels. *HEAD* is the height of a panel's title, *NAME* and *VALUE* are the widths of the two texts beside a bar."""


@frozen
class Bar:
    """A queue, with the median, the least and the greatest of the rounds."""

    name: str
    value: float
    least: float
    greatest: float


PANELS = ("drain sync", "drain async", "send", "worker cpu sync")


def svg(results: Results, group: str = "redis") -> str:
    """Return the chart of *group*."""
    panels = [(figure, found) for figure in PANELS if (found := bars(results, group, figure))]
    heights = [HEAD + ROW * len(found) for _, found in panels]
    tall = [max(heights[at : at + 2]) + MARGIN for at in range(0, len(heights), 2)]
    height = MARGIN + sum(tall) + 22
    parts = [head(results, height), f'<rect class="sheet" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="12"/>']
    for at, (figure, found) in enumerate(panels):
        x, y = MARGIN + at % 2 * (PANEL_WIDTH + 16), MARGIN + sum(tall[: at // 2])
        parts += panel(figure, found, x, y)
    parts += [f'<text x="{MARGIN}" y="{height - 14}" class="small soft">{escape(foot(results))}</text>', "</svg>", ""]
    return "\n".join(parts)


def bars(results: Results, group: str, figure: str) -> list[Bar]:
    """Return the bars of a panel, the best first; the limit, which is no queue, is left out."""
    names = [name for name in results.names(group) if not results.about["queues"][group][name]["bound"]]
    known = {name: results.rounds[Key(group, "", figure, name)] for name in names if Key(group, "", figure, name) in results.rounds}
    found = [Bar(name, median(values), min(values), max(values)) for name, values in known.items()]
    return sorted(found, key=lambda bar: bar.value, reverse=FIGURES[figure].more_is_better)


def panel(figure: str, found: list[Bar], x: int, y: int) -> Iterator[str]:
    """Yield the elements of a panel, whose top left corner is at *x*, *y*."""
    about = FIGURES[figure]
    wish = "more is better" if about.more_is_better else "less is better"
    yield f'<text x="{x}" y="{y + 16}" class="bold">{escape(about.title)}</text>'
    yield f'<text x="{x}" y="{y + 35}" class="small soft">{escape(about.unit)}, {wish}</text>'
    scale = (PANEL_WIDTH - NAME - VALUE) / max(bar.greatest for bar in found)
    for at, bar in enumerate(found):
        top, left = y + HEAD - 8 + at * ROW, x + NAME
        ours = bar.name == OURS
        yield f'<text x="{left - 8}" y="{top + 12}" class="small end{" bold" if ours else ""}">{escape(bar.name)}</text>'
        yield f'<rect class="{"blue" if ours else "box"}" x="{left}" y="{top}" width="{max(1.0, bar.value * scale):.1f}" height="15" rx="2"/>'
        if bar.greatest > bar.least:
            yield f'<path class="way{" blue" if ours else ""}" d="M{left + bar.least * scale:.1f} {top + 7.5}H{left + bar.greatest * scale:.1f}"/>'
        yield f'<text x="{left + bar.greatest * scale + 6:.1f}" y="{top + 12}" class="small{" bold" if ours else " soft"}">{number(bar.value)}</text>'


def head(results: Results, height: int) -> str:
    """Return the opening tag, what the chart shows for those who do not see it, and the style of all drawings."""
    style = re.search(r"<style>.*?</style>", (PICTURES / "onion.svg").read_text(encoding="utf-8"), re.DOTALL)
    assert style is not None
    shown = "; ".join(
        f"{FIGURES[figure].title}, {FIGURES[figure].unit}: {', '.join(f'{bar.name} {number(bar.value)}' for bar in found)}"
        for figure in PANELS
        if (found := bars(results, "redis", figure))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="fq-drawing" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="peers-title peers-desc">\n'
        f'<title id="peers-title">fq beside other queues on Redis</title>\n<desc id="peers-desc">{escape(shown)}.</desc>\n{style[0]}'
    )


def foot(results: Results) -> str:
    """Return what the figures come from, in a line."""
    machine = results.about["machine"]
    rounds = results.about.get("rounds", 1)
    busy = ", a busy machine" if is_busy(results) else ""
    return (
        f"One worker process on Redis, tasks that do nothing. Median of {rounds} round{'s' if rounds != 1 else ''}; lines: least to greatest. "
        f"{machine['cores']} cores{busy}, {machine['date']}."
    )


def is_busy(results: Results) -> bool:
    """Did something else use the machine when the run began?"""
    return float(results.about["machine"].get("load", 0.0)) > BUSY_LOAD


BUSY_LOAD = 0.5
