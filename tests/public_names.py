"""Writes the lists in ``fq/__init__.py`` of what it imports when it is first used: ``make names``, after a new import there."""

import ast
from pathlib import Path
from textwrap import fill, wrap

INIT = Path(__file__).parent.parent / "fq/__init__.py"
BEGIN, END = "# `make names` writes this from the imports above.\n", "# The end of what it writes.\n"


def homes(source: str) -> dict[str, list[str]]:
    """
    Return the names that *source* imports for type checkers, by their module.

    >>> homes("if TYPE_CHECKING:\\n    from fq.app.app import App")
    {'fq.app.app': ['App']}
    """
    [block] = (node for node in ast.parse(source).body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    imports = (node for node in block.body if isinstance(node, ast.ImportFrom))
    return dict(sorted((str(node.module), sorted(name.name for name in node.names)) for node in imports))


def written(source: str) -> str:
    """Return *source* with lists that name what it imports."""
    before, _, rest = source.partition(BEGIN)
    _, _, after = rest.partition(END)
    found = homes(source)
    table = [_row(home, names) for home, names in found.items()]
    every = ", ".join(f'"{name}"' for name in sorted({name for names in found.values() for name in names}))
    lines = [
        "_HOMES = {",
        *table,
        "}  # fmt: skip",
        "",
        "__all__ = [",
        fill(every, 138, initial_indent="    ", subsequent_indent="    ") + ",",
    ]
    return before + BEGIN + "\n".join([*lines, "]  # fmt: skip", ""]) + END + after


def _row(home: str, names: list[str]) -> str:
    first, *more = wrap(" ".join(names), 120 - len(home))
    return f'    "{home}": "{first}"' + "".join(f'\n    " {line}"' for line in more) + ","


if __name__ == "__main__":
    INIT.write_text(written(INIT.read_text(encoding="utf-8")), encoding="utf-8")
