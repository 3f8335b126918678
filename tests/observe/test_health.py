"""Health over HTTP."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fq import App, BrokerUnavailable
from fq.brokers.memory import MemoryBroker
from fq.brokers.records import ClaimRequest
from fq.observe.health import answering_health


class Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name that the library calls
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def app() -> App:
    return App(broker=MemoryBroker())


@pytest.fixture
def url(app: App) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), answering_health(Elsewhere, app))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_is_200_while_a_worker_of_this_host_is_alive(app: App, url: str) -> None:
    app.broker.turn([], ClaimRequest(f"{socket.gethostname()}:1:1", ("default",), 0, lease=60_000))
    with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
        assert (answer.status, json.load(answer)["alive"]) == (200, 1)


def test_it_is_503_when_none_is(url: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/health", timeout=60)

    assert (caught.value.code, json.load(caught.value)["alive"]) == (503, 0)
    caught.value.close()


def test_every_other_path_is_answered_as_before(url: str) -> None:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        assert answer.status == 204


def test_livez_asks_no_broker_and_readyz_does(app: App, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_down() -> tuple[()]:
        raise BrokerUnavailable("down")

    with urllib.request.urlopen(f"{url}/readyz", timeout=60) as answer:
        assert (answer.status, json.load(answer)) == (200, {"ready": True, "error": ""})
    monkeypatch.setattr(app.broker, "workers", is_down)

    with urllib.request.urlopen(f"{url}/livez", timeout=60) as answer:
        assert (answer.status, json.load(answer)) == (200, {"alive": True})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/readyz", timeout=60)
    assert (caught.value.code, json.load(caught.value)) == (503, {"ready": False, "error": "down"})
    caught.value.close()
