"""The examples of the middleware page run, and print what their docstrings say."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "from_the_mission").glob("*.py"))

ON_THE_PAGE = {
    "age_limit",
    "async_actors",
    "callbacks",
    "careful_ordering",
    "current_message",
    "database_logging",
    "logging_middleware",
    "positioned_insertion",
    "prometheus_metrics",
    "rate_limiting",
    "results",
    "retry_configuration",
    "time_limit",
}


def promised(example: Path) -> str:
    """Return what the docstring of *example* says that it prints."""
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8")), clean=True) or ""
    _, found, output = docstring.partition("It prints::\n\n")
    assert found, f"{example.name} does not say what it prints"
    return textwrap.dedent(output).strip() + "\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_prints_what_it_says(example: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(example)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    assert done.stderr == ""
    assert done.stdout == promised(example)
    assert done.returncode == 0


def test_every_example_of_the_page_is_here() -> None:
    assert {example.stem for example in EXAMPLES} == ON_THE_PAGE
