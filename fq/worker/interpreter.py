"""`interpreter_command`: starts a fresh interpreter that finds modules where this one does: in a folder, a virtual environment or a zip file."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

BOOTSTRAP = (
    "import json, sys; args = json.loads(sys.argv.pop()); sys.path[:] = args[0]; from fq.worker.interpreter import run; run(*args[1:])"
)


def interpreter_command(module: str, *arguments: str) -> list[str]:
    """Return the command line of an interpreter, with the options of this one, that calls ``main(*arguments)`` of *module*."""
    paths = [
        str(Path(entry).absolute()) if Path(entry).exists() else entry for entry in sys.path
    ]  # "" is the working directory; some entries are not paths
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # multiprocessing uses it, too
    return [sys.executable, *options, "-c", BOOTSTRAP, json.dumps([paths, module, *arguments])]


def run(module: str, *arguments: str) -> None:
    """Call ``main(*arguments)`` of *module*."""
    import_module(module).main(*arguments)
