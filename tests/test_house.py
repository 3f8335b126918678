"""The rules of the code base that no linter checks."""

import ast
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

import fq

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "fq").rglob("*.py"))
CLI = ROOT / "fq" / "cli"
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())


def machine_paths() -> set[str]:
    """Return folders that exist on one machine only: the usual homes, and those of this machine."""
    here = {str(path) for path in (Path.home(), ROOT) if len(path.parts) > 2}
    return here | {"/home/", "/root/", "/Users/", "C:\\"}


def printed_lines(tree: ast.AST) -> list[int]:
    """Return the lines on which *tree* calls ``print``; a doctest in a docstring is no call."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


@every_file
def test_a_file_has_at_most_300_lines(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").count("\n")

    assert lines <= 300, f"{file.relative_to(ROOT)} has {lines} lines; split it by reading order"


def test_a_file_of_tests_has_at_most_400_lines() -> None:
    lines = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").rglob("*.py")}

    assert {name: count for name, count in lines.items() if count > 400} == {}, "split these files by subject"


@every_file
def test_a_module_opens_with_a_docstring(file: Path) -> None:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))

    assert docstring, f"{file.relative_to(ROOT)} does not say what the reader will find in it"


@every_file
def test_only_the_command_line_prints(file: Path) -> None:
    lines = printed_lines(ast.parse(file.read_text(encoding="utf-8")))

    assert CLI in file.parents or not lines, f"{file.relative_to(ROOT)} prints on lines {lines}"


@every_file
def test_no_path_of_a_machine_is_written_down(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert [path for path in machine_paths() if path in text] == []


def test_all_lists_exactly_the_public_names() -> None:
    exported = {name for name, value in vars(fq).items() if not name.startswith("_") and not isinstance(value, ModuleType)}

    assert {name for name in fq.__all__ if not name.startswith("_")} == exported
    assert all(hasattr(fq, name) for name in fq.__all__)


def test_all_names_nothing_twice() -> None:
    names = sorted(fq.__all__)

    assert [a for a, b in pairwise(names) if a == b] == []


def test_the_types_are_shipped() -> None:
    assert (ROOT / "fq" / "py.typed").is_file()


@every_file
def test_fq_logs_through_a_logger_that_never_raises(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert "\nlog = logging.getLogger(" not in text, "write log = logger(name), of fq.runtime.logger"


def modules() -> dict[str, Path]:
    """Return the modules and packages of fq, by name."""
    paths = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in FILES}
    return {name.removesuffix(".__init__"): file for file, name in paths.items()}


def imported(file: Path, known: dict[str, Path]) -> set[str]:
    """Return those of the *known* modules that *file* imports, imports for types and those inside functions included."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else node.module for alias in node.names}
    return names & known.keys()


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()

    TopologicalSorter(
        {name: imported(file, known) - {name} for name, file in known.items()}
    ).prepare()  # raises CycleError, with the circle


@every_file
def test_no_module_imports_fq_itself(file: Path) -> None:
    imports = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom) and node.module}

    assert "fq" not in names or file.name == "__main__.py", (
        f"{file.relative_to(ROOT)} imports fq itself; import from the module that has it"
    )
