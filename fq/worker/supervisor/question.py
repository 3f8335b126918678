"""`ask_fork`: has a question answered by a fork of this process, so that what the answer takes, such as importing an app, is gone with it. Mutable shell."""

import atexit
import os
import signal
from collections.abc import Callable
from threading import Thread
from typing import Never

from attrs import frozen

from fq.runtime.anonymous_file import anonymous_file
from fq.worker.executors.forks import end_fork
from fq.worker.inherited_descriptors import close_parents_descriptors
from fq.worker.process_hygiene import disown_inherited, kill_group, kill_what_is_left, lead_a_session, run_exit_handlers
from fq.worker.standard_streams import flush
from fq.worker.supervisor.sidecars import end_with
from fq.worker.supervisor.signals import HANDLED


@frozen
class Answer:
    """What the fork has said: ``""`` if it ended without an answer; *code*: its exit code, negative if a signal killed it."""

    text: str
    code: int


def ask_fork(question: Callable[[], str]) -> Answer:
    """Return what *question* returns in a fork of this process. The fork has ended, with all that it has started, when this returns or raises."""
    flush()
    descriptor, asker = anonymous_file("fq-answer", 0), os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)  # what a handler raises in a hook of the fork, Python only prints
    pid = os.fork() or _answer(question, descriptor, asker, before)
    code = None
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Answer(os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(), code)
    finally:
        os.close(descriptor)
        if code is None:  # a signal ends this program
            kill_group(pid)
            os.waitpid(pid, 0)
        kill_what_is_left(pid)


def _answer(question: Callable[[], str], descriptor: int, asker: int, signals: set[int]) -> Never:
    """Answer *question* in the file *descriptor*, with these *signals* blocked, and end this process as Python ends a program."""
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        lead_a_session()
        disown_inherited()
        close_parents_descriptors()
        atexit._clear()  # those of the asker
        Thread(target=end_with, args=(asker,), daemon=True).start()
        with open(descriptor, "wb", closefd=False) as file:
            file.write(question().encode())
        run_exit_handlers(lambda: False, lambda: os._exit(0))
    finally:
        end_fork()
