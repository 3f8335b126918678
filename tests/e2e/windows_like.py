"""Takes from this process what Python lacks on Windows, then imports fq, sends and runs: `test_imports` starts it."""

import asyncio
import ctypes
import logging
import os
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zoneinfo

import click
import rich.console

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
NAMES = {
    os: """O_DIRECTORY O_NOFOLLOW WNOHANG chown eventfd fchown fork forkpty geteuid getegid getgid getpgid getpgrp getsid getuid killpg
        major memfd_create mkfifo nice openpty pidfd_open pipe2 posix_spawn pread pwrite register_at_fork sched_getaffinity sendfile setpgid setsid
        statvfs sync sysconf tcgetpgrp uname wait wait3 wait4 waitid WIFSIGNALED""",
    signal: """SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGUSR1 SIGUSR2 SIGWINCH SIG_BLOCK SIG_SETMASK
        SIG_UNBLOCK alarm getitimer pause pthread_kill pthread_sigmask setitimer sigpending siginterrupt sigtimedwait sigwait sigwaitinfo""",
    select: "epoll poll",
    time: "CLOCK_BOOTTIME CLOCK_MONOTONIC CLOCK_MONOTONIC_RAW CLOCK_REALTIME clock_gettime clock_gettime_ns tzset",
}


OTHERS = (asyncio, click, ctypes, logging, rich.console, sqlite3, subprocess, tempfile, threading, zoneinfo)
"""Not of fq, and so imported as on this system."""


def act_as_windows() -> None:
    for module, names in NAMES.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    sys.modules.update(dict.fromkeys(MODULES))
    sys.platform = "win32"


def main(url: str) -> None:
    import fq

    app = fq.App(url)

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    @app.actor
    async def double(a: int) -> int:
        await asyncio.sleep(0)
        return 2 * a

    first, second = add.send(1, 2), double.send(4)
    assert app.run_until_idle() == 2
    with app.worker(threads=1):
        third, fourth = add.send(3, 4), double.send(8)
        found = [handle.get_result(block=True) for handle in (first, second, third, fourth)]
    assert found == [3, 8, 7, 16], found
    sys.stdout.write("sent and ran\n")
    sys.stdout.flush()

    from fq.cli import main

    main(["worker", "tasks:app", "-p", "2"], prog_name="fq")


if __name__ == "__main__":
    act_as_windows()
    main(sys.argv[1])
