"""Checks the wheel and the sdist in a folder, and installs both into a fresh environment: ``make dist`` runs it in a clone, after the build."""

import argparse
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePath

ROOT = Path(__file__).parent.parent
SDIST_ROOTS = ("fq", "pytest_fq.py", "tests", "docs", "examples", "benchmarks", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "mypy.ini")
SDIST_ALWAYS = {"PKG-INFO", "LICENSE", "README.md", "pyproject.toml", ".gitignore"}
DIST_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "licenses/fq/web/static/htmx.LICENSE.txt"}

TESTS = ("core", "errors", "wire", "middleware", "workflows", "layers", "brokers/sqlite")
"""The tests that run from the sdist: those that need no server and start no commands."""

TRY = """
import importlib.util, sys
import fq
assert "site-packages" in fq.__file__, fq.__file__
app = fq.App(sys.argv[1])

@app.actor
def add(a: int, b: int) -> int:
    return a + b

handle = add.send(1, 2)
with app.worker(threads=1):
    assert handle.get_result(block=True) == 3
for name in ("django", "pydantic", "pytest", "starlette", "uvicorn"):
    assert importlib.util.find_spec(name) is None, f"{name} came with a plain install"
"""


def tracked(*roots: str) -> set[str]:
    """Return the files under *roots* that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z", *roots], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name}


def in_wheel(wheel: Path) -> set[str]:
    """Return the files of *wheel*, those of its metadata without the name of their folder."""
    names = zipfile.ZipFile(wheel).namelist()
    return {name.partition(".dist-info/")[2] or name for name in names}


def in_sdist(sdist: Path) -> set[str]:
    """Return the files of *sdist*."""
    with tarfile.open(sdist) as archive:
        return {str(PurePath(*PurePath(member.name).parts[1:])) for member in archive.getmembers() if member.isfile()}


def compare(what: Path, found: set[str], expected: set[str]) -> None:
    """Exit unless *found* is what is *expected*."""
    if found != expected:
        sys.exit(f"{what.name}: not in it: {sorted(expected - found)}; in it, and not expected: {sorted(found - expected)}")


def run(*command: str | Path, cwd: Path) -> None:
    """Run *command*, and exit if it fails."""
    if code := subprocess.run(command, cwd=cwd, check=False).returncode:
        sys.exit(f"exit code {code}: {' '.join(map(str, command))}")


def try_out(wheel: Path, sdist: Path, fresh: Path) -> None:
    """Install *wheel* into the environment *fresh*, send and run; then install *sdist* with what its tests need, and run tests in it."""
    python, fresh = fresh / "bin/python", fresh.absolute()
    install = (python.absolute(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")
    run(*install, wheel, cwd=fresh)
    run(install[0], "-c", TRY, "memory://", cwd=fresh)
    run(install[0], "-c", TRY, "sqlite:///jobs.db", cwd=fresh)
    run(fresh / "bin/fq", "--version", cwd=fresh)
    run(install[0], "-m", "fq", "worker", "--help", cwd=fresh)
    with tarfile.open(sdist) as archive:
        archive.extractall(fresh / "sdist", filter="data")
    (source,) = (fresh / "sdist").iterdir()
    run(*install, "--force-reinstall", "--no-deps", source, cwd=fresh)
    run(*install, f"{source}[test]", cwd=fresh)
    run(install[0], "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *(f"tests/{name}" for name in TESTS), cwd=source)


def main() -> None:
    """Check the distributions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dist", type=Path)
    parser.add_argument("fresh", type=Path, help="an environment that has pip alone")
    arguments = parser.parse_args()
    (wheel,), (sdist,) = arguments.dist.absolute().glob("*.whl"), arguments.dist.absolute().glob("*.tar.gz")
    compare(wheel, in_wheel(wheel), tracked("fq", "pytest_fq.py") | DIST_INFO)
    compare(sdist, in_sdist(sdist), tracked(*SDIST_ROOTS) | SDIST_ALWAYS)
    try_out(wheel, sdist, arguments.fresh)


if __name__ == "__main__":
    main()
