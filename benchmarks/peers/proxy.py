"""
A slower network: a process between workers and store that hands on each piece of data *delay* seconds after it came, in both directions.

It keeps the order, and holds no piece up because of those before it: data in flight overlap, as on a long line, so the delay costs no bandwidth.
"""

import argparse
import asyncio
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit, urlunsplit

PIECE, PINGS = 1 << 18, 50


async def hand_on(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay: float) -> None:
    """Hand on what comes from *source*, each piece *delay* seconds later, until it ends."""
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await pieces.get()
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            if not piece:
                target.close()
                return
            target.write(piece)
            await target.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while piece := await source.read(PIECE):
            pieces.put_nowait((time.monotonic() + delay, piece))
        pieces.put_nowait((time.monotonic() + delay, b""))
        await delivery
    except ConnectionError:
        delivery.cancel()
        target.close()


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that wakes on the microsecond; one on epoll rounds up to the next millisecond."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def serve(listener: socket.socket, host: str, port: int, delay: float) -> None:
    """Accept connections, and connect each to the store."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_store, to_store = await asyncio.open_connection(host, port)
        for each in (writer, to_store):
            each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(hand_on(reader, to_store, delay), hand_on(from_store, writer, delay))

    server = await asyncio.start_server(connected, sock=listener)
    async with server:
        await server.serve_forever()


@contextmanager
def slower(url: str, delay: float) -> Iterator[str]:
    """Yield a URL of the store at *url* behind a proxy that adds *delay* seconds in each direction."""
    parts = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    words = [sys.executable, str(Path(__file__)), str(listener.fileno()), str(parts.hostname), str(parts.port), str(delay)]
    process = subprocess.Popen(words, pass_fds=[listener.fileno()])
    listener.close()
    before, at, _ = parts.netloc.rpartition("@")
    try:
        yield urlunsplit(parts._replace(netloc=f"{before}{at}127.0.0.1:{port}"))
    finally:
        process.kill()
        process.wait()


def round_trip_ms(url: str) -> float:
    """Return how long a command of Redis takes at *url*, in ms: what the delays and the proxy itself come to."""
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        took = []
        for _ in range(PINGS):
            began = time.perf_counter()
            connection.sendall(b"PING\r\n")
            connection.recv(64)
            took.append(time.perf_counter() - began)
    return median(took) * 1_000


def main() -> None:
    """Run the proxy: ``python proxy.py SOCKET HOST PORT DELAY``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket", type=int)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("delay", type=float)
    options = parser.parse_args()
    listener = socket.socket(fileno=options.socket)
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(serve(listener, options.host, options.port, options.delay))


if __name__ == "__main__":
    main()
