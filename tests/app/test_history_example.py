"""``examples/history.py`` runs, and prints what it says."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_example_prints_what_it_says() -> None:
    ran = subprocess.run([sys.executable, "-m", "examples.history"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    docstring = ast.get_docstring(ast.parse((ROOT / "examples" / "history.py").read_text(encoding="utf-8"))) or ""

    assert ran.returncode == 0
    assert ran.stdout.strip() == textwrap.dedent(docstring.partition("It prints::\n\n")[2]).strip()
