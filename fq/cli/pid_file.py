"""``--pid-file``: one worker to a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


class PidFileTaken(click.ClickException):
    """The pid file belongs to a process that lives, or cannot be used; exit code 4."""

    exit_code = 4


@contextmanager
def pid_file(path: Path | None) -> Iterator[None]:
    """
    Keep this process's id in *path* for as long as the context lasts. The file of a process that is gone is taken over.

    Raises:
        PidFileTaken: the file names another process that lives, holds something else, or cannot be written.
    """
    check_pid_file(path, os.getpid())
    if path is None:
        yield
        return
    try:
        path.write_text(f"{os.getpid()}\n")
    except OSError as error:
        raise PidFileTaken(f"{path}: the pid file cannot be written: {error.strerror}") from None
    writer = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == writer:  # and not a fork of it
            path.unlink(missing_ok=True)


def check_pid_file(path: Path | None, owner: int) -> None:
    """
    Find out whether *path* may be the pid file of the process *owner*.

    Raises:
        PidFileTaken: as `pid_file`, unless it cannot be written.
    """
    if path is None:
        return
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise PidFileTaken(f"{path}: the pid file cannot be read: {error}") from None
    if not text.isdecimal():
        raise PidFileTaken(f"{path}: found {text[:40]!r}, expected a process id: is this the right file? Remove it if it is")
    pid = int(text)
    if pid != owner and _lives(pid):
        raise PidFileTaken(f"{path}: process {pid} has this pid file: stop it first, or give another file")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
