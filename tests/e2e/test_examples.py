"""The examples run, and what they say is true: checked against a plain loop."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from returns.result import Failure, Success

from examples.census.figures import Figures
from examples.census.tasks import Count, count, is_unlucky
from fq import Fault, TimedOut

ROOT = Path(__file__).parents[2]
BROKEN = {"broken.py": "def f(:\n", "undecodable.py": "# coding: nonsense\n"}


def write_sources(folder: Path) -> dict[str, str]:
    """Write a hundred small source files into *folder*, some of them copies of others, and return them by name."""
    kinds = (
        "import os\nimport sys, json.decoder\n\n\ndef f():\n    def g():\n        pass\n",
        "from os.path import join\nfrom . import sibling\n\nclass A:\n    async def f(self):\n        pass\n",
        "",
    )
    sources = {f"module_{n}.py": kinds[n % 3] + f"# {n // 6}\n" for n in range(100)}
    for name, text in (sources | BROKEN).items():
        path = folder / name[-4:-3] / name  # in folders, by the last letter of the name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return sources


def run_census(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.census", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )


def rows(output: str) -> dict[str, str]:
    """Return the table that the census printed."""
    return {found[1].strip(): found[2].strip() for found in re.finditer(r"^│ (.+?) │ (.+?) │$", output, re.MULTILINE)}


def test_the_census_counts_what_a_plain_loop_counts(tmp_path: Path) -> None:
    sources = write_sources(tmp_path)
    trees = [ast.parse(text) for text in sources.values()]
    nodes = Counter(type(node).__name__ for tree in trees for node in ast.walk(tree))
    unlucky = sum(map(is_unlucky, sources))
    ran = run_census(str(tmp_path))

    assert ran.returncode == 0, ran.stderr
    found = rows(ran.stdout)
    assert found["files"] == "100"
    assert found["lines"] == str(sum(text.count("\n") for text in sources.values()))
    assert found["functions"] == str(nodes["FunctionDef"] + nodes["AsyncFunctionDef"])
    assert found["classes"] == str(nodes["ClassDef"])
    assert found["copies of another file"] == str(100 - len(set(sources.values())))
    assert found["most imported"] == "os 67, json 34, sys 34"
    assert found["retried, then counted"] == str(unlucky)
    assert unlucky > 0
    assert found["dead letters"] == "5 (3 FileNotFoundError, 2 SyntaxError)"
    assert found["messages"].startswith("207 sent in ")


def test_the_census_shows_no_progress_without_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import os\n")
    ran = run_census(str(tmp_path))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("A census of")
    assert "counting" not in ran.stdout


def test_the_census_of_nothing_says_so(tmp_path: Path) -> None:
    ran = run_census(str(tmp_path))

    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"no Python source files in {tmp_path}\n")


def test_an_actor_of_the_census_is_still_a_function(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text("import os\n\nclass A:\n    def f(self): ...\n")
    counted = count(str(path))

    assert counted == Count(str(path), 4, 1, 1, ["os"], counted.milliseconds, 1)


def test_an_actor_of_the_census_does_not_take_what_is_not_python(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(BROKEN["broken.py"])

    with pytest.raises(SyntaxError):
        count(str(path))


def test_what_follows_is_sent_once_however_often_the_actor_is_cut_short() -> None:
    ran = subprocess.run([sys.executable, "-m", "examples.following"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "import_with_send: customers 3x, orders 3x, invoices 3x",
        "import_with_follow: customers 1x, orders 1x, invoices 1x",
        "reports: ['imported 3 parts']",
    ]


def test_who_watches_sees_progress_and_the_words_of_an_answer() -> None:
    ran = subprocess.run([sys.executable, "-m", "examples.progress"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    *told, rows, answer = ran.stdout.splitlines()

    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(re.fullmatch(r"import: \d+ of 100: row \d+", line) for line in told)
    assert (rows, answer) == ("import: 100 rows", "answer: You asked: is it far?")


def test_figures_are_the_sums_of_the_results() -> None:
    results = [
        Success(Count("a/x.py", 10, 2, 1, ["os"], 5, 1)),
        Success(Count("b/y.py", 20, 3, 0, ["os", "sys"], 7, 2)),
        Failure(Fault("OSError", "disk")),
        Failure(TimedOut(5)),
    ]

    assert Figures.of(results, [Success("1"), Success("1"), Failure(TimedOut(5))]).rows() == {
        "files": "2",
        "lines": "30",
        "functions": "5",
        "classes": "1",
        "copies of another file": "1",
        "most imported": "os 2, sys 1",
        "retried, then counted": "1",
        "dead letters": "2 (1 OSError, 1 TimedOut)",
        "slowest": "y.py, 7 ms",
    }


def test_the_readme_shows_the_table_that_the_census_prints() -> None:
    shown = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- demo:begin -->")[2].partition("<!-- demo:end -->")[0]

    assert list(rows(shown)) == [*Figures.of([], []).rows(), "messages"]


def test_figures_of_nothing_are_noughts() -> None:
    assert set(Figures.of([], []).rows().values()) == {"0", ""}


def test_the_example_of_resources_commits_what_succeeds_and_closes_what_it_opens() -> None:
    ran = subprocess.run([sys.executable, "-m", "examples.resources"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "the worker has opened 2 connections",
        "the worker has closed them",
        "invoice 1: paid; 30 in all",
        "invoice 2: not paid",
        "invoice 3: paid; 42 in all",
        "called directly: 7 in all",
    ]


def test_the_example_of_unique_messages_indexes_once_and_charges_once() -> None:
    ran = subprocess.run([sys.executable, "-m", "examples.unique"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "indexed:",
        *(f"  document {document} in version 50" for document in (1, 2)),
        "rendered:",
        *(f"  document {document} in version {version}" for document in (1, 2) for version in (1, 50)),
        "asked twice, paid 17, charged 1 time; a duplicate: True",
    ]
