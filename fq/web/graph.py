"""`draw`: the graph of a workflow as SVG. A pipeline runs from left to right, the members of a group are below one another. Pure."""

from collections.abc import Iterator, Mapping

from attrs import frozen
from markupsafe import Markup

from fq.app.workflow_tree import StepNode, Steps
from fq.web.text import safe

WIDE, HIGH, GAP_X, GAP_Y = 168, 40, 36, 12
MARGIN = 8
MOST_LETTERS = 20


@frozen
class _Box:
    """A step at a place."""

    step: StepNode
    x: int
    y: int


@frozen
class _Part:
    """A part of the graph: its boxes and edges, the boxes that it starts and ends with, and its size."""

    boxes: tuple[_Box, ...] = ()
    edges: tuple[tuple[_Box, _Box], ...] = ()
    starts: tuple[_Box, ...] = ()
    ends: tuple[_Box, ...] = ()
    width: int = 0
    height: int = 0


def draw(steps: Steps, states: Mapping[str, str], here: str) -> Markup:
    """Return the graph of *steps*; that with the id *here* is marked."""
    whole = _row(steps, MARGIN, MARGIN)
    edges = Markup("").join(map(_edge, whole.edges))
    boxes = Markup("").join(_box(box, states.get(box.step.message_id, ""), here) for box in whole.boxes)
    width, height = whole.width + 2 * MARGIN, whole.height + 2 * MARGIN
    frame = (
        '<svg class="graph" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="The steps of the workflow">{2}{3}</svg>'
    )
    return Markup(frame).format(width, height, edges, boxes)


def _row(steps: Steps, x: int, y: int) -> _Part:
    """Return *steps*, one after the other, with the upper left corner at *x*, *y*."""
    row = _Part()
    for step in steps:
        at = x + row.width + (GAP_X if row.boxes else 0)
        part = _column(step, at, y) if step.is_group else _single(step, at, y)
        joined = tuple((end, start) for end in row.ends for start in part.starts)
        row = _Part(
            (*row.boxes, *part.boxes),
            (*row.edges, *part.edges, *joined),
            row.starts or part.starts,
            part.ends,
            at - x + part.width,
            max(row.height, part.height),
        )
    return row


def _single(step: StepNode, x: int, y: int) -> _Part:
    box = _Box(step, x, y)
    return _Part((box,), (), (box,), (box,), WIDE, HIGH)


def _column(group: StepNode, x: int, y: int) -> _Part:
    """Return the members of *group*, below one another."""
    parts: list[_Part] = []
    height = 0
    for member in _members(group):
        part = _row(member, x, y + height)
        parts.append(part)
        height += part.height + GAP_Y
    return _Part(
        tuple(box for part in parts for box in part.boxes),
        tuple(edge for part in parts for edge in part.edges),
        tuple(box for part in parts for box in part.starts),
        tuple(box for part in parts for box in part.ends),
        max((part.width for part in parts), default=0),
        max(0, height - GAP_Y),
    )


def _members(group: StepNode) -> Iterator[Steps]:
    yield from group.members
    if more := group.size - len(group.members):
        yield (StepNode("", f"{more} more"),)


def _edge(edge: tuple[_Box, _Box]) -> Markup:
    (start, end) = edge
    x1, y1, x2, y2 = start.x + WIDE, start.y + HIGH // 2, end.x, end.y + HIGH // 2
    middle = (x1 + x2) // 2
    return Markup('<path class="edge" d="M{} {}C{} {} {} {} {} {}"/>').format(x1, y1, middle, y1, middle, y2, x2, y2)


def _box(box: _Box, state: str, here: str) -> Markup:
    name = box.step.actor_name or "?"
    short = name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…"
    marked = " here" if box.step.message_id == here else ""
    return safe(
        '<g class="step state-{}{}" transform="translate({} {})"><title>{}</title><rect width="{}" height="{}" rx="6"/>'
        '<text x="12" y="17" class="name">{}</text><text x="12" y="32" class="what">{}</text></g>',
        *(state or "none", marked, box.x, box.y, f"{name} {box.step.message_id}", WIDE, HIGH, short, state or "not known"),
    )
