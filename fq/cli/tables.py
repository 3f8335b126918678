"""`show`: prints a table; where that does not fit, each row in lines. Ids and names are never cut, so that they can be copied. No text is read as markup."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fq.core.printable import printable

Kind: TypeAlias = Literal["name", "number", "text"]
"""Names and numbers stay on one line; texts are wrapped if the terminal is too narrow."""

MIN_TEXT_WIDTH = 20
"""The least width of a text column; in a narrower terminal, each row is printed in lines."""

GAP = 2
"""The width between two columns."""

INDENT = 4

UNLIMITED = 1_000_000
"""The width of a pipe or a file."""

STATE_STYLES = {"dead": "bold red", "failed": "bold red", "retrying": "magenta", "running": "bold"}
"""How a state is set off. Yellow, green and cyan can hardly be read on a light ground, and blue on a dark one."""


def show(title: str, columns: Mapping[str, Kind], rows: Sequence[Sequence[str | Text]]) -> None:
    """
    Print *rows* below *title*; *columns* are the column heads, each with the kind of its cells.

    In a pipe nothing is wrapped: a program that looks for an id or a name would miss one that is split.
    """
    console = wide_console()
    console.print(Text(printable(title), style="bold"))
    console.print(drawn(columns, rows, console.width) if rows else Text("none", style="italic"), crop=False)


def drawn(columns: Mapping[str, Kind], rows: Sequence[Sequence[str | Text]], width: int) -> RenderableType:
    """Return *rows* as a table, or as lines if it is wider than *width*."""
    cells = [[_text(cell, kind) for cell, kind in zip(row, columns.values(), strict=True)] for row in rows]
    wide = [max(map(_width, (Text(head), *column))) for head, *column in zip(columns, *cells, strict=True)]
    least = [min(width, MIN_TEXT_WIDTH) if kind == "text" else width for width, kind in zip(wide, columns.values(), strict=True)]
    if sum(least) + GAP * (len(least) - 1) > width:
        return Group(*(line for row in cells for line in _lines(columns, row, width)))
    return _table(columns, cells, wide if width == UNLIMITED else least)


def _table(columns: Mapping[str, Kind], cells: Sequence[Sequence[Text]], least: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0), header_style="bold")
    for (head, kind), width in zip(columns.items(), least, strict=True):
        if kind == "text":
            table.add_column(head, overflow="fold", min_width=width)
        else:
            table.add_column(head, width=width, justify="right" if kind == "number" else "left")
    for row in cells:
        table.add_row(*row)
    return table


def _lines(columns: Mapping[str, Kind], row: Sequence[Text], width: int) -> Iterator[RenderableType]:
    """Yield *row* in lines: its names and numbers, as many a line as fit; then its texts, indented."""
    short = [
        cell if kind == "name" else Text.assemble(f"{head} ", cell)
        for (head, kind), cell in zip(columns.items(), row, strict=True)
        if kind != "text" and cell.plain.strip()
    ]
    if short:
        short[0].stylize("bold")
        yield from packed(short, width)
    for cell, kind in zip(row, columns.values(), strict=True):
        if kind == "text" and cell.plain.strip():
            yield indented_text(cell, width)


def packed(parts: Sequence[Text], width: int, indent: int = 0) -> Iterator[Text]:
    """Yield *parts*, as many a line as fit into *width*; the first line is indented by *indent*, the others a little more. No part is cut."""
    line = Text.assemble(" " * indent, parts[0], no_wrap=True, overflow="ignore")
    for part in parts[1:]:
        if line.cell_len + GAP + part.cell_len > width:
            yield line
            line = Text.assemble(" " * (indent + INDENT), part, no_wrap=True, overflow="ignore")
        else:
            line.append(" " * GAP).append(part)
    yield line


def indented_text(text: Text, width: int) -> RenderableType:
    """Return *text*, indented and wrapped between words."""
    text.overflow = "fold"
    return Padding(text, (0, 0, 0, INDENT), expand=False) if width > 2 * INDENT else text


def wide_console() -> Console:
    """Return the console, which is as wide as it has to be if it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=UNLIMITED)


def state_text(state: str) -> Text:
    """Return *state* in its colour."""
    return Text(printable(state), style=STATE_STYLES.get(state, ""))


def _text(cell: str | Text, kind: Kind) -> Text:
    """Return *cell* as printable text: control characters are written out, so that no name can change the screen."""
    if isinstance(cell, Text):
        return cell
    return Text(printable(cell, lines=kind == "text").expandtabs())


def _width(text: Text) -> int:
    return max((line.cell_len for line in text.split("\n", allow_blank=True)), default=0)
