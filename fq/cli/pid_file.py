"""
`pid_file`: at most one worker for each pid file.

The lock on the file decides, not the process id in it: the kernel releases the lock when the process ends, however it ends, and no fork inherits it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from fq.worker.inherited_descriptors import close_handed_on, hand_on

LOCK = "FQ_PID_FILE_LOCK"
"""Environment variable by which a program that was reloaded finds the file that it has locked: process id, descriptor."""


class PidFileTaken(click.ClickException):
    """Another worker has the pid file, or it cannot be used; exit code 4."""

    exit_code = 4


@contextmanager
def pid_file(path: Path | None) -> Iterator[None]:
    """
    Keep this process's id in *path*, and the file locked, for as long as the context lasts.

    Raises:
        PidFileTaken: another worker has the file, it does not hold a process id, or it cannot be opened.
    """
    if path is None:
        yield
        return
    descriptor, owner = _acquire(path), os.getpid()
    os.environ[LOCK] = f"{owner}:{descriptor}"
    hand_on(descriptor)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{owner}\n".encode(), 0)
    except OSError as error:
        raise PidFileTaken(f"{path}: the pid file cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        if os.getpid() == owner:  # and not a fork of it
            os.environ.pop(LOCK, None)  # the app may have removed it
            path.unlink(missing_ok=True)
            close_handed_on(descriptor)


def check_pid_file(path: Path | None, owner: int) -> None:
    """
    Check whether *path* can be the pid file of the process *owner*.

    Raises:
        PidFileTaken: see `pid_file`.
    """
    if path is not None and path.exists():
        descriptor = _open(path)
        try:
            _lock(path, descriptor, owner)
        finally:
            os.close(descriptor)


def _acquire(path: Path) -> int:
    """Return a descriptor of the file at *path*, which this process has locked, perhaps before it was reloaded."""
    owner, _, number = os.environ.pop(LOCK, "").partition(":")
    if owner == str(os.getpid()) and _is_open_at(int(number), path):
        return int(number)
    while True:
        descriptor = _open(path)
        try:
            _lock(path, descriptor)
        except PidFileTaken:
            os.close(descriptor)
            raise
        if _is_open_at(descriptor, path):  # else its last owner has removed it in the meantime
            return descriptor
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise PidFileTaken(f"{path}: the pid file cannot be opened: {error.strerror}") from None


def _lock(path: Path, descriptor: int, owner: int | None = None) -> None:
    """Lock the file, unless *owner* has it; raises `PidFileTaken` if another process has it, or if it does not hold a process id."""
    text = os.pread(descriptor, 64, 0).decode(errors="replace").strip()
    if text and not text.isdecimal():
        raise PidFileTaken(f"{path}: found {text[:40]!r}, expected a process id: is this the right file? Remove it if it is")
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        if text != str(owner):
            raise PidFileTaken(f"{path}: process {text or '(unknown)'} has this pid file: stop it first, or give another file") from None
    except OSError as error:
        raise PidFileTaken(f"{path}: the pid file cannot be locked: {error.strerror}") from None


def _is_open_at(descriptor: int, path: Path) -> bool:
    """Is *descriptor* open on the file that is at *path* now?"""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
