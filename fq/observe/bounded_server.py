"""`BoundedServer`: an HTTP server that clients which are slow, silent or many cannot exhaust. Mutable shell."""

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from time import monotonic
from typing import Any

MAX_CONNECTIONS = 64
"""With this many open, the oldest is closed for the next one: a scraper is done in milliseconds, one that waits is not."""

CONNECTION_SECONDS = 15.0
"""The longest life of a connection."""


class BoundedServer(ThreadingHTTPServer):
    """
    Serves requests on *listener*, with *handler*, in at most *max_connections* threads, each for at most *connection_seconds*.

    HEAD is answered as GET, without the body.
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
        self._ends: dict[socket.socket, float] = {}  # of the open connections, the oldest first
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # as socketserver has it
        """Serve a connection in a thread; close the oldest if there are too many."""
        with self._lock:
            if len(self._ends) >= self._max_connections:
                self._end(next(iter(self._ends)))
            self._ends[request] = monotonic() + self._connection_seconds
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started just now
            self.shutdown_request(request)

    def service_actions(self) -> None:
        """Close the connections whose time is over; called twice a second."""
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
        """Pass over a client that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed wants what socketserver passes on

    def _end(self, request: socket.socket) -> None:
        """Wake the thread that serves *request*, which then closes it."""
        del self._ends[request]
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client was quicker


def _answering_head(handler: type[BaseHTTPRequestHandler]) -> type[BaseHTTPRequestHandler]:
    """Return *handler*, which also answers HEAD."""
    get, end_headers = handler.do_GET, handler.end_headers  # type: ignore[attr-defined]  # a handler of GET requests

    def end(self: BaseHTTPRequestHandler) -> None:
        end_headers(self)
        if self.command == "HEAD":
            self.wfile = BytesIO()  # takes the body

    return type("Handler", (handler,), {"do_GET": get, "do_HEAD": get, "end_headers": end})
