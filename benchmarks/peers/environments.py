"""One virtual environment per queue, in ``.bench``: created at the first run, and again when its requirements change. PyPI only."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from benchmarks.measure import console
from benchmarks.peers import HERE

PROJECT = HERE.parent.parent
CACHE = PROJECT / ".bench"


class Installed(Protocol):
    """What an environment is made for: pinned *requirements*, for a version of Python."""

    @property
    def name(self) -> str: ...

    @property
    def requirements(self) -> Path | None: ...

    @property
    def python(self) -> str | None: ...


P = TypeVar("P", bound=Installed)


class CannotMeasure(Exception):
    """A queue cannot be measured here; the text says why."""


def prepared(peers: Iterable[P]) -> Iterator[tuple[P, Path]]:
    """Yield those of *peers* that can be measured here, with the folder of their programs; print why the others cannot."""
    for peer in peers:
        try:
            yield peer, environment(peer)
        except CannotMeasure as error:
            console.print(f"{peer.name} is left out: {error}", style="yellow")


def environment(peer: Installed) -> Path:
    """
    Return the folder with the programs of the virtual environment of *peer*; create the environment if it does not exist.

    Raises:
        CannotMeasure: a package cannot be installed, or the Python version is missing.
    """
    if peer.requirements is None:
        return Path(sys.executable).parent
    python = interpreter(peer.python)
    pinned = peer.requirements.read_bytes()
    if b"-e ." in pinned:  # fq itself, whose dependencies may have changed
        pinned += (PROJECT / "pyproject.toml").read_bytes()
    source = peer.requirements.stem
    folder = CACHE / f"{source}-{hashlib.sha256(pinned + python.encode()).hexdigest()[:8]}"
    if not (folder / "ready").exists():
        console.print(f"making the environment of {source}", style="dim")
        shutil.rmtree(folder, ignore_errors=True)
        _make(python, folder, peer.requirements)
        (folder / "ready").touch()
        (CACHE / ".gitignore").write_text("*\n")
    return folder / "bin"


def interpreter(version: str | None) -> str:
    """Return the Python interpreter of this *version*, from the path or from pyenv."""
    if version is None or sys.version.startswith(f"{version}."):
        return sys.executable
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    found = [*map(str, of_pyenv), *filter(None, [shutil.which(f"python{version}")])]
    if not found:
        raise CannotMeasure(f"it needs Python {version}, which is not installed")
    return found[0]


def _make(python: str, folder: Path, requirements: Path) -> None:
    """Make the environment with uv, which is fast, if it is there; otherwise with pip."""
    inside = str(folder / "bin/python")
    if uv := shutil.which("uv"):
        _run([uv, "venv", "--quiet", "--python", python, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", inside, "-r", str(requirements)])
        return
    _run([python, "-m", "venv", str(folder)])
    _run([inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    if done.returncode:
        raise CannotMeasure(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-300:]}")
