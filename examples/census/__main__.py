"""Send the messages, start the workers, wait for the results, print the table: ``python -m examples.census [FOLDER]``."""

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TypeVar

from returns.result import Result
from rich.console import Console
from rich.progress import track

from examples.census.figures import Figures, table
from examples.census.tasks import app, count, fingerprint
from fq import Handle, TaskError

R = TypeVar("R")

ROOT = Path(__file__).parent.parent.parent
NOT_OURS = {"site-packages", "dist-packages", "__pycache__"}
MISSING_FILES = 3
"""How many messages name a file that does not exist, as if it had been deleted in the meantime."""

MINUTE_MS = 60_000


def main(arguments: Sequence[str]) -> int:
    """Count the source files in the folder in *arguments*, by default the standard library, and return the exit code."""
    folder = Path(arguments[0] if arguments else sysconfig.get_path("stdlib")).absolute()
    if "FQ_URL" not in os.environ:
        return with_temporary_database(folder)
    files = sources(folder)
    if not files:
        print(f"no Python source files in {folder}", file=sys.stderr)
        return 2
    started = perf_counter()
    counting = app.send_many(count.call(path) for path in files + [str(folder / f"vanished_{n}.py") for n in range(MISSING_FILES)])
    hashing = app.send_many(fingerprint.call(path) for path in files)
    sent = perf_counter()
    with workers():
        figures = Figures.of(gather(counting, "counting"), gather(hashing, "hashing"))
    print_report(figures, folder, len(counting + hashing), sent - started, perf_counter() - sent)
    return 0


def with_temporary_database(folder: Path) -> int:
    """Run this program again with a temporary database. Set ``FQ_URL`` to use another one."""
    with TemporaryDirectory(prefix="census-") as directory:
        url = f"sqlite:///{directory}/census.db"
        return subprocess.call([sys.executable, "-m", "examples.census", str(folder)], cwd=ROOT, env={**os.environ, "FQ_URL": url})


def sources(folder: Path) -> list[str]:
    """Return the paths of all Python source files in *folder*."""
    return sorted(str(path) for path in folder.rglob("*.py") if NOT_OURS.isdisjoint(path.relative_to(folder).parts))


@contextmanager
def workers() -> Iterator[None]:
    """Run two worker processes, as ``fq worker examples.census:app --processes 2`` does, until the context ends."""
    command = [sys.executable, "-m", "fq", "worker", "examples.census:app", "--processes", "2"]
    with TemporaryDirectory() as folder:
        log = Path(folder) / "worker.log"
        with log.open("w") as output, subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output) as supervisor:
            try:
                yield
            finally:
                supervisor.terminate()
        if supervisor.returncode:
            raise SystemExit(f"the workers ended with exit code {supervisor.returncode}:\n{log.read_text()}")


def gather(handles: Sequence[Handle[R]], what: str) -> list[Result[R, TaskError]]:
    """Return the results of *handles*; show a progress bar in a terminal."""
    console = Console()
    return [handle.get(MINUTE_MS) for handle in track(handles, what, console=console, transient=True, disable=not console.is_terminal)]


def print_report(figures: Figures, folder: Path, messages: int, sending: float, working: float) -> None:
    """Print the table."""
    library = folder == Path(sysconfig.get_path("stdlib")).absolute()
    title = f"the standard library of Python {platform.python_version()}" if library else str(folder)
    pace = f"{messages:,} sent in {sending:.1f} s, done in {working:.1f} s"
    Console().print(table(f"A census of {title}", {**figures.rows(), "messages": pace}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
