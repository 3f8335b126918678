"""The rules of the code base that no linter checks."""

import ast
from collections.abc import Callable
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import fq

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "fq").rglob("*.py"))
CLI = ROOT / "fq" / "cli"
TEXTS = {file: file.read_text(encoding="utf-8") for file in FILES}


def offenders(fault: Callable[[Path, str], object]) -> dict[str, object]:
    """Return what *fault* finds in the files of fq, given their paths and their texts, where it finds something."""
    found = {file.relative_to(ROOT).as_posix(): fault(file, text) for file, text in TEXTS.items()}
    return {name: what for name, what in found.items() if what}


def machine_paths() -> set[str]:
    """Return folders that exist on one machine only: the usual homes, and those of this machine."""
    here = {str(path) for path in (Path.home(), ROOT) if len(path.parts) > 2}
    return here | {"/home/", "/root/", "/Users/", "C:\\"}


def printed_lines(tree: ast.AST) -> list[int]:
    """Return the lines on which *tree* calls ``print``; a doctest in a docstring is no call."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_a_file_has_at_most_300_lines() -> None:
    assert offenders(lambda _, text: max(0, text.count("\n") - 300)) == {}, "have so many lines too much; split them by reading order"


def test_a_file_of_tests_has_at_most_400_lines() -> None:
    lines = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").rglob("*.py")}

    assert {name: count for name, count in lines.items() if count > 400} == {}, "split these files by subject"


def test_a_module_opens_with_a_docstring() -> None:
    assert offenders(lambda _, text: not ast.get_docstring(ast.parse(text))) == {}, "do not say what the reader will find in them"


def test_only_the_command_line_prints() -> None:
    assert offenders(lambda file, text: CLI not in file.parents and printed_lines(ast.parse(text))) == {}, "print on these lines"


def test_no_path_of_a_machine_is_written_down() -> None:
    paths = machine_paths()

    assert offenders(lambda _, text: [path for path in paths if path in text]) == {}


def test_all_names_nothing_twice() -> None:
    names = sorted(fq.__all__)

    assert [a for a, b in pairwise(names) if a == b] == []


def test_the_types_are_shipped() -> None:
    assert (ROOT / "fq" / "py.typed").is_file()


def test_fq_logs_through_a_logger_that_never_raises() -> None:
    assert offenders(lambda _, text: "\nlog = logging.getLogger(" in text) == {}, "write log = logger(name), of fq.runtime.logger"


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


def imports_fq(file: Path, text: str) -> bool:
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom) and node.module}
    return "fq" in names and file.name != "__main__.py"


def test_no_module_imports_fq_itself() -> None:
    assert offenders(imports_fq) == {}, "import fq itself; import from the module that has it"
