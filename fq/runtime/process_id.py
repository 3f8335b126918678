"""`pid`: the id of this process, without a system call: code that keeps connections or threads compares it to find out that it was forked."""

import os

_pid = os.getpid()


def pid() -> int:
    """Return the id of this process. A fork in C counts if it calls the fork hooks of Python, as uWSGI does."""
    return _pid


def _forked() -> None:
    global _pid  # noqa: PLW0603  # a fork changes it, and nothing else does
    _pid = os.getpid()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forked)
