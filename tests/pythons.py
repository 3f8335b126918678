"""Prints the Pythons of this machine that fq supports and that are newer than its oldest, one a line: ``make pythons`` tests with each."""

import shutil
import subprocess
import sys
from pathlib import Path

NEWER = (12, 13, 14)


def find(minor: int) -> str | None:
    """Return the command of Python 3.*minor*: on the path, or installed by pyenv; None if there is none that runs."""
    by_pyenv = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"), reverse=True)
    for command in (shutil.which(f"python3.{minor}"), *map(str, by_pyenv)):
        if command and not subprocess.run([command, "-c", ""], capture_output=True, check=False).returncode:
            return command
    return None


if __name__ == "__main__":
    for minor in NEWER:
        if command := find(minor):
            sys.stdout.write(f"{command}\n")
        else:
            sys.stderr.write(f"there is no Python 3.{minor} here: not tested\n")
