"""`BoundedServer`: an HTTP server that slow, silent or numerous clients cannot exhaust. Mutable shell."""

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from time import monotonic
from typing import Any

MAX_CONNECTIONS = 64
"""When this many are open, a new connection closes the oldest: a scrape takes milliseconds, so the oldest is not one."""

CONNECTION_SECONDS = 15.0
"""The maximum lifetime of a connection."""


class BoundedServer(ThreadingHTTPServer):
    """
    Serves requests on *listener*, with *handler*, in at most *max_connections* threads, each for at most *connection_seconds*.

    It answers HEAD like GET, without the body.
    """

    daemon_threads = True

    def __init__(
        self,
        listener: socket.socket,
        handler: type[BaseHTTPRequestHandler],
        max_connections: int = MAX_CONNECTIONS,
        connection_seconds: float = CONNECTION_SECONDS,
    ) -> None:
        super().__init__(("", 0), _answering_head(handler), bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self._max_connections = max_connections
        self._connection_seconds = connection_seconds
        self._ends: dict[socket.socket, float] = {}  # when each open connection has to end, the oldest first
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as socketserver has it
        """Serve a connection in a thread; close the oldest one if there are too many."""
        with self._lock:
            if len(self._ends) >= self._max_connections:
                self._end(next(iter(self._ends)))
            self._ends[request] = monotonic() + self._connection_seconds
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started now
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Close the connections that have reached their maximum lifetime; called twice a second."""
        now = monotonic()
        with self._lock:
            for request in [request for request, end in self._ends.items() if end <= now]:
                self._end(request)

    def close_request(self, request: Any) -> None:  # noqa: ANN401  # as socketserver has it
        """Close a connection that has been served."""
        with self._lock:
            self._ends.pop(request, None)
        super().close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that has disconnected."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed wants what socketserver passes on

    def _end(self, request: socket.socket) -> None:
        """Wake the thread that serves *request*, which then closes it."""
        del self._ends[request]
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client has closed it already


def _answering_head(handler: type[BaseHTTPRequestHandler]) -> type[BaseHTTPRequestHandler]:
    """Return *handler*, which also answers HEAD."""
    get, end_headers = handler.do_GET, handler.end_headers  # type: ignore[attr-defined]  # a handler of GET requests

    def end(self: BaseHTTPRequestHandler) -> None:
        end_headers(self)
        if self.command == "HEAD":
            self.wfile = BytesIO()  # takes the body

    return type("Handler", (handler,), {"do_GET": get, "do_HEAD": get, "end_headers": end})
