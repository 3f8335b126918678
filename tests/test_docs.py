"""Every Python example in README.md and docs/ runs, the map of the code names what exists, and pages say who acts.

The blocks of one page run in order, in one namespace, in an empty working directory, as if typed into a module called
``tasks``: so a later block may say ``from tasks import send_mail``. A block right below a comment
``<!-- not run: why -->`` is left out.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sybil import Document, Region
from sybil.parsers.abstract.codeblock import PythonDocTestOrCodeBlockParser
from sybil.parsers.markdown import CodeBlockParser

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
