"""Serves the pages of an app alone: what ``fq web`` runs. By default on this machine only, with a token in the link that it prints."""

import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from attrs import frozen
from starlette.requests import Request
from starlette.types import ASGIApp

from fq.errors import ConfigError, OptionError
from fq.web.access import Access, AccessCheck, basic_auth, read_only
from fq.web.asgi import web
from fq.web.link import TokenLink

if TYPE_CHECKING:
    from fq.app.app import App


@frozen
class Served:
    """What is served: an ASGI app, and the *link* to open it with."""

    asgi: ASGIApp
    link: str


def is_loopback(host: str) -> bool:
    """
    Is *host* an address of this machine that no other can reach?

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def prepare(app: "App", host: str, port: int, auth: str = "", reads_only: bool = False) -> Served:
    """
    Return what to serve at *host* and *port*: with *auth*, ``USER:PASSWORD``, behind a login; else behind a token, or, if it *reads_only*, open to read.

    Raises:
        ConfigError: another host than the loopback address, with neither of them.
    """
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    if auth:
        return Served(web(app, access=_narrowed(_login(auth), reads_only), asks_for_login=True), where)
    if not is_loopback(host):
        if not reads_only:
            raise ConfigError(
                f"found --host {host}, which other machines reach, without a login: type --auth USER:PASSWORD, or set $FQ_WEB_AUTH, "
                f"or type --read-only to let everybody read who reaches it"
            )
        return Served(web(app, access=_reader), where)
    link = TokenLink(f"fq_token_{port}")
    return Served(link.around(web(app, access=_narrowed(link.check, reads_only))), f"{where}?token={link.token}")


def _login(auth: str) -> AccessCheck:
    user, _, password = auth.partition(":")
    try:
        return basic_auth(user, password)
    except OptionError:
        raise ConfigError("--auth: found no password, expected USER:PASSWORD") from None


def _narrowed(check: AccessCheck, reads_only: bool) -> AccessCheck:
    return read_only(check) if reads_only else check


def _reader(_: Request) -> Access:
    return "read"


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens at *host* and *port*.

    Raises:
        ConfigError: the address is in use, or does not belong to this machine.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0].lower()
        raise ConfigError(f"the pages cannot be served at {host}:{port}: {reason}; choose another with --host and --port") from None


def serve(asgi: ASGIApp, listener: socket.socket, started: Callable[[], None]) -> None:
    """Serve *asgi* until the process is interrupted; *started* is called once requests are answered."""

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    # No proxy headers: who asks is written to the log, and a header can be forged.
    settings = uvicorn.Config(asgi, log_level="warning", access_log=False, server_header=False, proxy_headers=False, lifespan="off")
    settings.timeout_graceful_shutdown = 1
    Server(settings).run([listener])
