"""Charts as SVG that the server draws: bars for a few numbers in a row. Pure; colours are in the style sheet."""

from collections.abc import Sequence

from markupsafe import Markup

BAR, GAP = 5, 1


def bars(values: Sequence[int], failed: Sequence[int] = (), *, height: int = 24, label: str = "") -> Markup:
    """
    Return a bar for each of *values*; the part of it that *failed* stands out. *label* says to a screen reader what is drawn.

    >>> print(bars([1, 2], height=10, label="two minutes"))
    <svg class="bars" viewBox="0 0 11 10" preserveAspectRatio="none" role="img" aria-label="two minutes"><rect x="0" y="5" width="5" height="5"/>...</svg>
    """
    most = max(values, default=0)
    width = max(1, len(values) * (BAR + GAP) - GAP)
    drawn = Markup("").join(_bar(at, value, most, height, "") for at, value in enumerate(values) if value)
    drawn += Markup("").join(_bar(at, value, most, height, "failed") for at, value in enumerate(failed) if value)
    frame = '<svg class="bars" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    return Markup(frame).format(width, height, label, drawn)


def _bar(at: int, value: int, most: int, height: int, kind: str) -> Markup:
    tall = max(1, round(height * value / most)) if most else 0
    tall = min(tall, height)
    named = Markup(' class="{}"').format(kind) if kind else Markup("")
    return Markup('<rect x="{}" y="{}" width="{}" height="{}"{}/>').format(at * (BAR + GAP), height - tall, BAR, tall, named)
