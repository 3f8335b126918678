"""Standard output and standard error, which may be closed, full or missing: then what was printed is lost, but the process goes on."""

import os
import sys
from typing import TextIO, cast


def flush() -> None:
    """Write what was printed, before a process is forked, replaced or ended; what cannot be written stays in the buffer."""
    for stream in _streams():
        _flushed(stream)


def reserve_standard_fds() -> None:
    """Open /dev/null for each closed descriptor of 0 to 2, so that no database or socket gets a descriptor that C code writes to."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def final_flush() -> None:
    """Flush for the last time, and drop what cannot be written: Python would try again, and end with an exit code of its own."""
    for stream in _streams():
        if not _flushed(stream):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _streams() -> list[TextIO]:
    streams = cast("list[TextIO | None]", [sys.stdout, sys.stderr])  # None where it was closed before Python began
    return [stream for stream in streams if stream is not None and not stream.closed]


def _flushed(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:  # the disk is full, or the pipe has no reader
        return False
    return True
