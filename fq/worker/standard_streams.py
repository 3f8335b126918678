"""Standard output and standard error, which may be closed, full or missing: that costs what was printed, and never the process."""

import os
import sys
from typing import TextIO, cast


def flush() -> None:
    """Let what was printed leave, before a process is copied, replaced or ended; what cannot be written stays where it is."""
    for stream in _streams():
        _flushed(stream)


def occupy() -> None:
    """Open what is closed of the descriptors 0 to 2 on nothing, so that no database or socket gets one that C code prints to."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def let_go() -> None:
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
    except OSError:  # full, or without a reader
        return False
    return True
