"""``examples/schedules.py`` runs, and prints what it says."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_example_prints_what_it_says() -> None:
    ran = subprocess.run([sys.executable, "-m", "examples.schedules"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    docstring = ast.get_docstring(ast.parse((ROOT / "examples" / "schedules.py").read_text(encoding="utf-8"))) or ""
    promised = textwrap.dedent(docstring.partition("It prints::\n\n")[2]).strip()

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip() == promised
