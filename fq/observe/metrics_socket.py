"""The socket at which ``fq worker`` serves the metrics of all its processes. Its supervisor opens it, and imports nothing else of what serves them."""

import os
import socket

from fq.errors import ConfigError
from fq.observe.meter import share
from fq.runtime.logger import logger
from fq.worker.inherited_descriptors import hand_on

log = logger("fq.observe")

SOCKET_VARIABLE = "FQ_METRICS_SOCKET"
"""Environment variable by which a reloaded program finds its socket: process id, descriptor, host, port."""


def open_for_workers(host: str, port: int, processes: int) -> socket.socket:
    """
    Return a socket that listens at this address, and let this process and those that it starts, *processes* at a time, share their counters.

    Raises:
        ConfigError: the address is in use, or does not belong to this machine.
    """
    listener = listen(host, port)
    share(4 * processes + 8)  # retiring children and their successors need slots of their own
    host, port = listener.getsockname()[:2]
    log.info("serving metrics at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, port)
    return listener


def address_of(text: str) -> tuple[str, int]:
    """
    Return the host and the port in *text*; the default host is the loopback address.

    >>> address_of("0.0.0.0:9100"), address_of(":9100"), address_of("[::1]:9100")
    (('0.0.0.0', 9100), ('127.0.0.1', 9100), ('::1', 9100))

    Raises:
        ConfigError: *text* is not an address.
    """
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ConfigError(f"found the address {text!r}, expected HOST:PORT, such as 127.0.0.1:9191")
    return host.strip("[]") or "127.0.0.1", int(port)


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens at this address. After a reload, it is the socket of the previous program.

    Raises:
        ConfigError: the address is in use, or does not belong to this machine.
    """
    pid, _, rest = os.environ.pop(SOCKET_VARIABLE, "").partition(":")
    descriptor, _, address = rest.partition(":")
    if pid == str(os.getpid()):
        listener = socket.socket(fileno=int(descriptor))
        if address != f"{host}:{port}":
            listener.close()
            listener = _new_listener(host, port)
    else:
        listener = _new_listener(host, port)
    hand_on(listener.fileno())
    os.environ[SOCKET_VARIABLE] = f"{os.getpid()}:{listener.fileno()}:{host}:{port}"
    return listener


def adopt_parent_socket() -> None:
    """Let this process, which checks whether it can replace its parent, use the parent's socket."""
    pid, _, rest = os.environ.get(SOCKET_VARIABLE, "").partition(":")
    if pid == str(os.getppid()):
        os.environ[SOCKET_VARIABLE] = f"{os.getpid()}:{rest}"


def _new_listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0].lower()
        found = f"metrics cannot be served at {host}:{port}: {reason}"
        raise ConfigError(f"{found}; choose another address with --metrics HOST:PORT") from None
