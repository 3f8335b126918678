"""`free_port`: a port for a server that cannot tell which one it was given."""

import random
import socket

CHANCE = random.SystemRandom()
"""Hypothesis makes the usual one give the same numbers in each process, while it runs an example."""


def free_port() -> int:
    """
    Return a free port; the one 10,000 higher is free too, which a node of a cluster takes too.

    Both lie below those that systems give to outgoing connections, so that nobody takes it before the server does, or while that is restarted.
    """
    while True:
        port = CHANCE.randrange(10_000, 22_000)
        if not any(_is_used(each) for each in (port, port + 10_000)):
            return port


def _is_used(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
