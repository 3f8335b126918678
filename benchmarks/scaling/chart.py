"""`chart`: throughput by the number of nodes, as a drawing in the style of the others in ``docs/pictures``. Pure."""

from collections.abc import Mapping, Sequence

from attrs import frozen

WIDTH, HEIGHT = 900, 430
LEFT, RIGHT, TOP, BOTTOM = 96, 700, 40, 366
COLOURS = ("blue", "green", "amber", "red")


@frozen
class Line:
    """A *name*, and the millions of messages per second by the number of nodes."""

    name: str
    values: Mapping[int, float]


def chart(title: str, description: str, style: str, lines: Sequence[Line]) -> str:
    """Return *lines* as an SVG with this *style*, the text of its ``<style>``."""
    most_nodes = max(max(line.values) for line in lines)
    most = max(max(line.values.values()) for line in lines)
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if most / step <= 8)
    top = step * -(-most // step)

    def x(nodes: float) -> float:
        return LEFT + (RIGHT - LEFT) * nodes / most_nodes

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * value / top

    parts = [f'<rect class="sheet" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="12"/>']
    for value in (number * step for number in range(round(top / step) + 1)):
        parts += [
            f'<path class="way dash" d="M{LEFT} {y(value):.1f}H{RIGHT}"/>',
            f'<text x="{LEFT - 12}" y="{y(value) + 4:.1f}" class="end small soft">{value:g}</text>',
        ]
    shown = sorted({nodes for line in lines for nodes in line.values if nodes * 10 >= most_nodes or nodes == 1})
    parts += [f'<text x="{x(nodes):.1f}" y="{BOTTOM + 22}" class="mid small soft">{nodes}</text>' for nodes in shown]
    parts.append(f'<text x="{(LEFT + RIGHT) / 2:.0f}" y="{BOTTOM + 48}" class="mid small">nodes</text>')
    parts.append(f'<text x="{LEFT - 72}" y="{TOP - 16}" class="small">million messages a second</text>')
    for line, colour in zip(lines, COLOURS, strict=False):
        points = "L".join(f"{x(nodes):.1f} {y(value):.1f}" for nodes, value in sorted(line.values.items()))
        last = max(line.values)
        parts.append(f'<path class="way {colour}" d="M{points}"/>')
        parts.append(f'<text x="{RIGHT + 10}" y="{y(line.values[last]) + 4:.1f}" class="small {colour}">{line.name}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="fq-drawing" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    labels = 'aria-labelledby="scaling-title scaling-desc"'
    texts = f'<title id="scaling-title">{title}</title>\n<desc id="scaling-desc">{description}</desc>'
    return "\n".join([f"{head} {labels}>", texts, f"<style>{style}</style>", *parts, "</svg>"]) + "\n"
