"""
`FileWatch`: reports of the kernel that a file was written to.

Linux only (inotify). Elsewhere, and where a file system makes no reports, ``fq.brokers.sqlite.change_poller`` polls.
"""

import ctypes
import os
import select
import sys

IN_MODIFY = 2
READ_BYTES = 65_536


class FileWatch:
    """
    Mutable: reports of writes to the file at *path*, by any process of this machine, from now on.

    Raises:
        OSError: there is no inotify here, or it cannot watch the file.
    """

    def __init__(self, path: str) -> None:
        self._fd = -1
        if sys.platform == "win32":  # where None is no library
            raise OSError("no inotify here")
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            raise OSError("no inotify here")
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(path), IN_MODIFY) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
        self._events = select.poll()
        self._events.register(self._fd, select.POLLIN)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def wait(self, seconds: float) -> bool:
        """Block until there was a write, or *seconds* have passed, and return whether there was one."""
        if not self._events.poll(seconds * 1_000):
            return False
        os.read(self._fd, READ_BYTES)
        return True
