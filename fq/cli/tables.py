"""`show`: prints a table. Ids and names are never cut, so that they can be copied, and no text is read as markup."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fq.core.printable import printable

Kind: TypeAlias = Literal["name", "number", "text"]
"""Names and numbers stay on one line; texts are wrapped if the terminal is too narrow."""

MIN_TEXT_WIDTH = 20
"""The least width of a text column; in a narrower terminal the table overflows."""

BORDER_WIDTH = 3
"""The width of a column beyond its content."""


def show(title: str, columns: Mapping[str, Kind], rows: Sequence[Sequence[str | Text]]) -> None:
    """
    Print *rows* below *title*; *columns* are the column heads, each with the kind of its cells.

    In a pipe nothing is wrapped: a program that looks for an id or a name would miss one that is split.
    """
    cells = [[_text(cell, kind) for cell, kind in zip(row, columns.values(), strict=True)] for row in rows]
    wide = [max(map(_width, (Text(head), *column))) for head, *column in zip(columns, *cells, strict=True)]
    least = [min(width, MIN_TEXT_WIDTH) if kind == "text" else width for width, kind in zip(wide, columns.values(), strict=True)]
    console = Console()
    needed = sum(least if console.is_terminal else wide) + BORDER_WIDTH * len(wide) + 1
    if not console.is_terminal or console.width < needed:
        console = Console(width=needed)
    console.print(Text(title, style="italic"), soft_wrap=True)
    console.print(_drawn(columns, cells, least))


def _drawn(columns: Mapping[str, Kind], cells: Sequence[Sequence[Text]], least: Sequence[int]) -> Table:
    table = Table()
    for (head, kind), width in zip(columns.items(), least, strict=True):
        if kind == "text":
            table.add_column(head, overflow="fold", min_width=width)
        else:
            table.add_column(head, width=width, justify="right" if kind == "number" else "left")
    for row in cells:
        table.add_row(*row)
    return table


def _text(cell: str | Text, kind: Kind) -> Text:
    """Return *cell* as printable text: control characters are written out, so that no name can change the screen."""
    if isinstance(cell, Text):
        return cell
    return Text(printable(cell, lines=kind == "text").expandtabs())


def _width(text: Text) -> int:
    return max((line.cell_len for line in text.split("\n", allow_blank=True)), default=0)
