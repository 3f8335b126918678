"""
Locks on single bytes of a file, which the operating system gives back when a process ends. Shell.

Windows has none of this kind. There, no process of fq shares such a file with another, so every byte is free.
"""

import sys

if sys.platform != "win32":
    import fcntl


def try_lock(descriptor: int, number: int) -> bool:
    """Lock a byte for this process, and return whether it was free."""
    return sys.platform == "win32" or _try(descriptor, fcntl.LOCK_EX, number)


def is_locked(descriptor: int, number: int) -> bool:
    """Does another process hold the lock of a byte? The check takes a shared lock for a moment; a process that claims meanwhile takes the next byte."""
    if sys.platform == "win32":
        return False
    if not _try(descriptor, fcntl.LOCK_SH, number):
        return True
    fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)
    return False


def _try(descriptor: int, kind: int, number: int) -> bool:
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB, 1, number)
    except OSError:
        return False
    return True
