"""The metrics endpoint under clients that are slow, silent or many."""

import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

import pytest

from fq.observe.bounded_server import BoundedServer
from tests.wait_until import wait_until


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def serve() -> Iterator[object]:
    """Return a function that starts a server and returns its port."""
    running: list[tuple[BoundedServer, threading.Thread]] = []

    def start(**bounds: float) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        server = BoundedServer(listener, Hello, **bounds)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return int(listener.getsockname()[1])

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(port: int, method: str = "GET") -> tuple[int, str | None, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, "/metrics")
    response = connection.getresponse()
    found = response.status, response.headers["Content-Length"], response.read()
    connection.close()
    return found


def is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_head_is_answered_like_get_without_the_body(serve) -> None:
    port = serve()

    assert ask(port) == (200, "5", b"hello")
    assert ask(port, "HEAD") == (200, "5", b"")


def test_more_silent_clients_than_connections_leave_room_for_a_scraper(serve) -> None:
    port = serve(max_connections=4)
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(12)]

    assert ask(port) == (200, "5", b"hello")
    wait_until(lambda: sum(map(is_closed, silent)) >= 8)
    for client in silent:
        client.close()


def test_a_client_that_sends_a_byte_now_and_then_is_closed_when_its_time_is_over(serve) -> None:
    port = serve(connection_seconds=0.2)
    client = socket.create_connection(("127.0.0.1", port))
    client.send(b"GET /metrics HTTP/1.1\r\nX: ")

    def drip() -> bool:
        try:
            client.setblocking(True)
            client.send(b"a")
        except OSError:
            return True
        return is_closed(client)

    wait_until(drip)
    client.close()
    assert ask(port)[0] == 200


def test_a_client_that_does_not_read_is_closed_when_its_time_is_over(serve) -> None:
    before = set(threading.enumerate())
    port = serve(connection_seconds=0.2)
    client = socket.create_connection(("127.0.0.1", port))

    wait_until(lambda: is_closed(client))
    client.close()
    wait_until(lambda: not any("process_request_thread" in thread.name for thread in set(threading.enumerate()) - before))
