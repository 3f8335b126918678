"""`pid`: which process this is, known without a system call; so that whoever keeps connections or threads finds out when it has become a fork."""

import os

_pid = os.getpid()


def pid() -> int:
    """Return the id of this process. A fork in C is noticed if it tells Python, as uWSGI's does."""
    return _pid


def _forked() -> None:
    global _pid  # noqa: PLW0603  # a fork changes it, and nothing else does
    _pid = os.getpid()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forked)
