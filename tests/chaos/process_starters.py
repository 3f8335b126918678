"""The application of `test_started_processes`: actors that start processes, in all the ways that there are. What they start is noted as ``pid N``."""

import asyncio
import atexit
import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path

from fq import App, Step
from fq.core.message import Message
from fq.worker import process_hygiene
from tests.chaos.tasks import note

app = App(os.environ.get("FQ_URL", "memory://"))
forking = multiprocessing.get_context("fork")
kept: list[object] = []

if "FQ_CHAOS_LOG" in os.environ:  # in a worker
    atexit.register(lambda: note("import-handler", os.getpid()))
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    note("folder", folder.name)
    if os.environ.get("STUCK"):
        process_hygiene.EXIT_SECONDS = 1.0
        atexit.register(time.sleep, 600)


@app.actor(max_retries=0)
def terminated() -> int | None:
    """Terminate a process of `multiprocessing` at once, and return how it ended."""
    process = forking.Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join(10)
    return process.exitcode


@app.actor(max_retries=0)
def usual_signals() -> list[str]:
    """Return how `sleep` ends of each signal that a worker process hears itself."""
    numbers = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    ended = []
    for number in numbers:
        process = subprocess.Popen(["sleep", "60"])
        process.send_signal(number)
        ended.append(signal.Signals(-process.wait(60)).name)
    return ended


@app.actor(max_retries=0)
def executor() -> int:
    """Keep an executor, whose processes end when Python's own exit handlers run."""
    pool = concurrent.futures.ProcessPoolExecutor(2, mp_context=forking)
    kept.append(pool)
    assert pool.submit(abs, -1).result() == 1
    for pid in pool._processes:
        note("pid", pid)
    return os.getpid()


@app.actor(max_retries=0)
def handlers() -> int:
    """Have things to do at the end of the process, one of which fails."""
    atexit.register(lambda: note("handler", os.getpid()))
    atexit.register(lambda: 1 / 0)
    kept.append(weakref.finalize(app, note, "finalizer", os.getpid()))
    threading.Thread(target=lambda: (time.sleep(0.3), note("thread", os.getpid())), daemon=False).start()
    return os.getpid()


@app.actor(max_retries=0)
def background(seconds: str, apart: bool = False) -> int:
    """Start a program, and leave it behind."""
    process = subprocess.Popen(["sleep", seconds], start_new_session=apart)
    kept.append(process)
    note("pid", process.pid)
    return os.getpid()


@app.actor(max_retries=0, time_limit=300, interval=100)
def waits(seconds: str) -> int:
    """Wait for a program in C, where no interrupt reaches."""
    process = subprocess.Popen(["sleep", seconds])
    note("pid", process.pid)
    return os.waitpid(process.pid, 0)[1]


@app.actor(max_retries=0)
def left_open(seconds: str) -> list[str]:
    """Return what a program finds open that is started with all that may be inherited."""
    pid = os.posix_spawn("/bin/sleep", ["sleep", seconds], os.environ)
    note("pid", pid)
    time.sleep(0.2)
    return [str(open_file.readlink()) for open_file in Path(f"/proc/{pid}/fd").iterdir() if int(open_file.name) > 2]


@app.actor(max_retries=0, max_deliveries=1)
def crash(seconds: str) -> int:
    """Start a program, and take the process along."""
    note("pid", subprocess.Popen(["sleep", seconds]).pid)
    os._exit(9)


def leave(how: str) -> int:
    """End a fork, as *how* says, in a way that is no end of a process."""
    if how == "exit":
        sys.exit(7)
    if how == "raise":
        raise RuntimeError("in the fork")
    return 99


@app.actor(max_retries=0)
def fork(how: str) -> int:
    """Fork, and return the exit code of the fork."""
    pid = os.fork()
    return leave(how) if pid == 0 else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@app.actor(max_retries=0, queue="async")
async def afork(how: str) -> int:
    """The same on an event loop; a fork of which may also wait for something there."""
    pid = os.fork()
    if pid == 0:
        if how == "await":
            await asyncio.sleep(0)
        return leave(how)
    return await asyncio.to_thread(lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


@app.actor(max_retries=0, queue="async")
async def ticks() -> int:
    """Note each step, so that it shows who makes them."""
    for _ in range(20):
        note("tick", os.getpid())
        await asyncio.sleep(0.05)
    return 20


class Forks(Step):
    """A layer that forks, and does not end the fork."""

    def before(self, message: Message) -> Message:
        """Fork."""
        if os.fork() == 0:
            note("pid", os.getpid())
        return message


@app.actor(Forks(), max_retries=0)
def behind_a_fork() -> int:
    """Note who runs it."""
    note("run", os.getpid())
    return os.getpid()
