"""``examples/limits.py`` runs, and what it prints is so."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_example_keeps_to_its_limits():
    ran = subprocess.run([sys.executable, "-m", "examples.limits"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    mails, *customers, dead = ran.stdout.splitlines()

    assert ran.returncode == 0, ran.stderr
    assert mails.startswith("20 mails")
    assert int(re.findall(r"(\d+) ms", mails)[-1]) > 200
    assert customers == [f"6 exports for {name}, at most 1 at once" for name in ("ada", "grace", "edsger")]
    assert dead == "dead letters: 0"
