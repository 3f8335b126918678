"""`python`: the command line of a fresh interpreter that finds modules where this one does, be it a folder, a virtual environment or a zip file."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

BEGIN = (
    "import json, sys; order = json.loads(sys.argv.pop()); sys.path[:] = order[0]; from fq.worker.interpreter import run; run(*order[1:])"
)


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line of an interpreter with the options of this one, which calls ``main(*arguments)`` of *module*."""
    paths = [
        str(Path(entry).absolute()) if Path(entry).exists() else entry for entry in sys.path
    ]  # "" is the working directory; some are no paths
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # what multiprocessing uses, too
    return [sys.executable, *options, "-c", BEGIN, json.dumps([paths, module, *arguments])]


def run(module: str, *arguments: str) -> None:
    """Call ``main(*arguments)`` of *module*."""
    import_module(module).main(*arguments)
