"""The records of the queues that are measured, and the slower network."""

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.peers.groups import GROUPS
from benchmarks.peers.proxy import slower

DELAY = 0.02
PEERS = [pytest.param(group.name, peer, id=f"{group.name}-{peer.name}") for group in GROUPS for peer in group.peers]


@pytest.mark.parametrize(("group", "peer"), PEERS)
def test_each_queue_has_a_script_and_pinned_requirements(group: str, peer: object) -> None:
    assert peer.script.exists()
    if peer.requirements is not None:
        lines = peer.requirements.read_text().splitlines()
        assert lines
        assert ("-e .[speed,postgres]" in lines) is (peer.name == "fq")
        lines = [line for line in lines if not line.startswith("-e .")]
        assert [line for line in lines if not re.fullmatch(r"[\w.\-]+(\[[\w,]+\])?==[\w.]+", line)] == [], group


def test_the_names_of_a_group_are_unique_and_fq_comes_first() -> None:
    for group in GROUPS:
        names = [peer.name for peer in group.peers]

        assert len(names) == len(set(names))
        assert names[0] == "fq"
        assert set(group.quick) | set(group.near) <= set(names)


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it receives."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while piece := connection.recv(1 << 16):
                connection.sendall(piece)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.close()
    thread.join(20)


def test_the_proxy_hands_on_all_data_in_order_and_not_before_its_time(echo: int) -> None:
    sent = bytes(range(256)) * 4_000
    with slower(f"redis://user:secret@127.0.0.1:{echo}/0", DELAY) as url:
        assert url.startswith("redis://user:secret@127.0.0.1:")
        port = int(url.split(":")[3].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            began = time.monotonic()
            connection.sendall(b"first")
            assert receive(connection, 5) == b"first"
            assert time.monotonic() - began >= 2 * DELAY
            writer = threading.Thread(target=connection.sendall, args=(sent,))
            writer.start()
            received = receive(connection, len(sent))
            writer.join()

    assert received == sent


def receive(connection: socket.socket, size: int) -> bytes:
    """Receive exactly *size* bytes."""
    parts = bytearray()
    while len(parts) < size:
        parts += connection.recv(1 << 16)
    return bytes(parts)
