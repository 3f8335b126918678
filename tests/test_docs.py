"""Every Python example in README.md and docs/ runs, links lead somewhere, tables are true, and pages say who acts.

The blocks of one page run in order, in one namespace, in an empty working directory, as if typed into a module called
``tasks``: so a later block may say ``from tasks import send_mail``. A block right below a comment
``<!-- not run: why -->`` is left out.
"""

import ast
import asyncio
import inspect
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import click
import pytest
from sybil import Document, Region
from sybil.parsers.abstract.codeblock import PythonDocTestOrCodeBlockParser
from sybil.parsers.markdown import CodeBlockParser

import fq.errors
from fq.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts)]
NOT_RUN = re.compile(r"<!-- not run: \S[^>]*-->\s*\Z")


class RunnableBlocks(CodeBlockParser):
    """The fenced blocks of a page that no comment excuses from running."""

    def __call__(self, document: Document) -> Iterator[Region]:
        for region in super().__call__(document):
            if not NOT_RUN.search(document.text, 0, region.start):
                yield region


class PythonExamples(PythonDocTestOrCodeBlockParser):
    """Python blocks, and sessions with ``>>>``."""

    codeblock_parser_class = RunnableBlocks


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """A module to type examples into; importable, since the worker and the codec look names up by module."""
    module = ModuleType("tasks")
    monkeypatch.setitem(sys.modules, "tasks", module)
    monkeypatch.chdir(tmp_path)
    return module


def run_examples(page: Path, module: ModuleType) -> int:
    """Run the examples of *page* inside *module*, and return how many there were."""
    document = Document.parse(str(page), PythonExamples())
    document.namespace = vars(module)
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    return len(examples)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run(page: Path, tasks: ModuleType) -> None:
    run_examples(page, tasks)


def test_blocks_share_a_module_and_an_excused_block_is_left_out(tasks: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nclass Seen: ...\nseen = ['first']\n```\n"
        "<!-- not run: needs a server -->\n```python\nseen.append('excused')\n```\n"
        "```console\n$ not python\n```\n"
        "```python\nfrom tasks import seen as same\nsame.append(Seen.__module__)\n```\n"
        "```python\n>>> seen\n['first', 'tasks']\n```\n"
    )

    assert run_examples(page, tasks) == 3
    assert tasks.seen == ["first", "tasks"]


def test_a_wrong_example_fails(tasks: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n```python\nassert 1 + 1 == 3\n```\n")

    with pytest.raises(AssertionError):
        run_examples(page, tasks)


PLACE = re.compile(r"`([\w/]+\.py)::([\w.]+)`")
FILE = re.compile(r"`((?:fq|tests|docs)/[\w./-]+)`")


def names_in(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Yield the classes and functions that *body* defines, methods with the name of their class."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from names_in(node.body, f"{prefix}{node.name}.")


def test_every_file_and_function_that_the_map_of_the_code_names_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    places = PLACE.findall(page)
    files = {file for file, _ in places} | set(FILE.findall(page))

    assert len(places) > 50
    assert [file for file in files if not (ROOT / file).exists()] == []
    assert [(file, name) for file, name in places if name not in names_in(ast.parse((ROOT / file).read_text()).body)] == []


VAGUE = re.compile(
    r"\b(nobody|somebody|anybody|whoever|so many|what is told|the like|for good|has been told|those who|who waits)\b", re.IGNORECASE
)


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_a_page_says_who_or_what_acts(page: Path) -> None:
    prose = re.sub(r"^```.*?^```|`[^`]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)

    assert VAGUE.findall(prose) == []


# Tables of translation: the second column is fq, and runs.

TRANSLATIONS = [page for page in PAGES if page.name.startswith("coming-from-") and page.name != "coming-from-dramatiq.md"]
CELL = re.compile(r"(?<!\\)\|")


def rows(page: Path) -> list[list[str]]:
    """Return the rows of the tables of *page*, without their heads, as lists of cells."""
    lines = page.read_text().splitlines()
    bodies = [line for line, above in zip(lines[1:], lines, strict=False) if line.startswith("|") and above.startswith("|")]
    cells = [[cell.strip().replace("\\|", "|") for cell in CELL.split(line)[1:-1]] for line in bodies]
    return [row for row in cells if not set("".join(row)) <= set("|- :")]


def run_translation(code: str, module: ModuleType) -> None:
    """Run one cell: a command of fq, a decorator, or Python that may wait."""
    if code.startswith("fq "):
        words = shlex.split(code)
        options = {option for parameter in main.commands[words[1]].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options
        return
    if code.startswith("@"):
        body = "yield" if code.startswith("@app.resource") else "..."
        code = f"{code}\ndef _{len(vars(module))}(number: int = 1, account: int = 1): {body}"
    waiting = eval(compile(code, "a cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), vars(module))
    if inspect.iscoroutine(waiting):
        asyncio.run(waiting)


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_the_fq_side_of_a_table_of_translation_runs(page: Path, tasks: ModuleType) -> None:
    run_examples(page, tasks)
    cells = [row[1] for row in rows(page)]

    assert len(cells) > 20
    for cell in cells:
        assert re.fullmatch(r"`[^`]+`", cell), f"expected one piece of code, found {cell}"
        run_translation(cell.strip("`"), tasks)


# Errors.


def test_the_page_of_errors_has_each_public_error_with_its_cause_and_cure() -> None:
    kinds = {kind for kind in vars(fq.errors).values() if isinstance(kind, type) and kind.__module__ == "fq.errors"}
    named = [row for row in rows(ROOT / "docs" / "errors.md") if row[0].startswith("`")]

    assert sorted(row[0].strip("`") for row in named) == sorted(kind.__name__ for kind in kinds if issubclass(kind, BaseException))
    assert [row for row in named if not all(row)] == []


# Links.

LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)|:link: (\S+)|\{doc\}`[^<`]*<([^>]+)>`")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of *page*, as GitHub and MyST make them."""
    texts = (re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", heading).lower() for heading in HEADING.findall(FENCED.sub("", page.read_text())))
    return {re.sub(r"[^\w\- ]", "", text.strip()).replace(" ", "-") for text in texts}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_each_link_within_the_project_leads_somewhere(page: Path) -> None:
    targets = [found for groups in LINK.findall(FENCED.sub("", page.read_text())) for found in groups if found]
    dead = []
    for target in targets:
        name, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = page.parent / name if name else page
        file = file if file.exists() or file.suffix else file.with_suffix(".md")
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            dead.append(target)

    assert dead == []


# Drawings.

DRAWINGS = sorted((ROOT / "docs" / "pictures").glob("*.svg"))


@pytest.mark.parametrize("file", DRAWINGS, ids=lambda file: file.name)
def test_a_drawing_says_what_it_shows_and_has_both_modes(file: Path) -> None:
    text = file.read_text()
    drawing = ET.fromstring(text)
    title, description = (drawing.find(f"{{http://www.w3.org/2000/svg}}{tag}") for tag in ("title", "desc"))

    assert title is not None
    assert title.text
    assert description is not None
    assert description.text
    assert drawing.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert "prefers-color-scheme: dark" in text
    assert '[data-theme="dark"]' in text


def test_all_drawings_look_alike() -> None:
    styles = {re.search(r"<style>.*?</style>", file.read_text(), re.DOTALL)[0] for file in DRAWINGS}

    assert len(DRAWINGS) >= 6
    assert len(styles) == 1


# Commands.

COMMAND = re.compile(r"(?:`|^\$ |^worker: )(?:python -m )?fq ([a-z]+)([^`#\n]*)", re.MULTILINE)


def options_of(command: click.Command) -> set[str]:
    """Return the options of *command*, and of the commands below it."""
    own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*map(options_of, below))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_each_command_that_a_page_types_exists_with_its_options(page: Path) -> None:
    for name, rest in COMMAND.findall(page.read_text()):
        assert name in main.commands, f"fq {name}{rest}"
        assert set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest)) <= options_of(main.commands[name]), f"fq {name}{rest}"
