"""
`Proxy`: stands between fq and a server, and does to what passes through it what networks do.

======================================  ==================================================================================
``latency``, ``jitter``, ``rate``       every piece arrives that many seconds late, or that many bytes pass in a second
``next(Move.…)``                        the next request meets a `Move`: see there
``judge = function``                    the same, decided for each request: for runs by chance
``freeze(…)`` … ``thaw()``              single connections fall silent, in one direction or both; neither end notices
``black_hole(…)`` … ``thaw()``          all connections do, also those that are opened meanwhile
``reset(…)``                            connections are reset
``refuses = True``                      new connections are reset at once
``calm()``                              ends all of this
======================================  ==================================================================================

What is held back while a connection is silent arrives after ``thaw``, as TCP sees to it, even if its sender has closed the connection meanwhile.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Self

GRAIN = 0.005
"""How often what is held back looks if it may go on, in seconds."""

AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: to close is to reset."""


class Move(Enum):
    """What may happen to a request. In all cases the connection is reset afterwards, but for the last."""

    RESET = "it does not reach the server"
    CUT = "half of it does"
    LOSE = "it does, and the reply does not come back"
    TRUNCATE = "it does, and half of the reply comes back"
    FREEZE = "it does not, and neither end notices: the connection is frozen"


class Link:
    """One connection. Mutable."""

    def __init__(self, proxy: "Proxy", client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.ends = (client, server)
        self.listens = False
        """Has the client subscribed to a channel?"""
        self.silent = {"up": False, "down": False}
        self.on_reply: Move | None = None

    async def passes(self, data: bytes, way: str) -> None:
        """Return when a piece of *data*, or the end of them, may pass."""
        proxy = self.proxy
        pause = proxy.latency + proxy.chance.uniform(0, proxy.jitter) + (len(data) / proxy.rate if proxy.rate else 0)
        if pause:
            await asyncio.sleep(pause)
        while self.silent[way] or proxy.silent[way]:  # noqa: ASYNC110  # other threads set these
            await asyncio.sleep(GRAIN)

    def reset(self) -> None:
        """Reset both ends."""
        for end in self.ends:
            with suppress(OSError):  # it has gone already
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            end.transport.abort()

    async def up(self, client: asyncio.StreamReader) -> None:
        """Pass on what *client* sends."""
        server = self.ends[1]
        while data := await client.read(65_536):
            self.listens = self.listens or b"SUBSCRIBE" in data
            move = self.proxy.judge(self, data)
            if move is Move.FREEZE:
                self.silent = {"up": True, "down": True}
            await self.passes(data, "up")
            if move in (Move.LOSE, Move.TRUNCATE):
                self.on_reply = move
            if move is not Move.RESET:
                server.write(data[: len(data) // 2] if move is Move.CUT else data)
                await server.drain()
            if move in (Move.RESET, Move.CUT):
                self.reset()
                return
        await self.passes(b"", "up")
        server.close()

    async def down(self, server: asyncio.StreamReader) -> None:
        """Pass on what *server* answers."""
        client = self.ends[0]
        while data := await server.read(65_536):
            await self.passes(data, "down")
            move = self.on_reply
            if move is not Move.LOSE:
                client.write(data[: len(data) // 2] if move is Move.TRUNCATE else data)
                await client.drain()
            if move is not None:
                self.reset()
                return
        await self.passes(b"", "down")
        client.close()


class Proxy:
    """Listens on a free port, and passes on to *target*, a port of this machine. A context manager; one thread, and mutable from any other."""

    def __init__(self, target: int, seed: int = 0) -> None:
        self.target = target
        self.chance = random.Random(seed)
        self.latency = self.jitter = self.rate = 0.0
        self.refuses = False
        self.silent = {"up": False, "down": False}
        self.judge: Callable[[Link, bytes], Move | None] = self._planned
        self.links: list[Link] = []
        self.accepted = 0
        self._plan: deque[tuple[Move, bytes]] = deque()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def next(self, *moves: Move, within: bytes = b"") -> None:
        """Let the next requests that have *within* in them meet *moves*, one each, unless they are of a connection that listens."""
        self._plan.extend((move, within) for move in moves)

    def freeze(self, *links: Link, up: bool = True, down: bool = True) -> None:
        """Let *links*, or all that there are, fall silent."""
        for link in links or tuple(self.links):
            link.silent = {"up": up, "down": down}

    def black_hole(self, *, up: bool = True, down: bool = True) -> None:
        """Let all connections fall silent, also those to come."""
        self.silent = {"up": up, "down": down}

    def thaw(self) -> None:
        """Let everything pass again, first what was held back."""
        self.silent = {"up": False, "down": False}
        for link in tuple(self.links):
            link.silent = {"up": False, "down": False}

    def reset(self, *links: Link) -> None:
        """Reset *links*, or all that there are."""
        for link in links or tuple(self.links):
            self._loop.call_soon_threadsafe(link.reset)

    def calm(self) -> None:
        """End all that is done to what passes, and let go of what was held back."""
        self.latency = self.jitter = self.rate = 0.0
        self.refuses = False
        self.judge = self._planned
        self._plan.clear()
        self.thaw()

    def calling(self) -> tuple[Link, ...]:
        """Return the connections that requests and replies go over."""
        return tuple(link for link in self.links if not link.listens)

    def listening(self) -> tuple[Link, ...]:
        """Return the connections that hear what is published."""
        return tuple(link for link in self.links if link.listens)

    def close(self) -> None:
        """Reset everything, and end the thread."""
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _planned(self, link: Link, data: bytes) -> Move | None:
        if not self._plan or link.listens or self._plan[0][1] not in data:
            return None
        return self._plan.popleft()[0]

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listener))
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            if self.refuses:
                raise ConnectionRefusedError
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            Link(self, to_client, to_client).reset()
            return
        link = Link(self, to_client, to_server)
        self.links.append(link)
        try:
            await asyncio.gather(link.up(from_client), link.down(from_server))
        except (OSError, asyncio.CancelledError):  # cancelled at the end, and not to be reported by asyncio
            link.reset()
        finally:
            self.links.remove(link)
