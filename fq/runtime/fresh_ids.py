"""
Fresh ids, drawn at random.

Those of messages are version 7 UUIDs (RFC 9562), whose time prefix keeps neighbours together in a broker's index.
"""

import os
import random
import socket

_random = random.Random(os.urandom(32))  # noqa: S311  # ids are no secrets
getrandbits = _random.getrandbits
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def fresh_id(now: int) -> str:
    """Return a new id made at *now*, ms since the epoch."""
    chance = getrandbits(74)
    fields = now >> 16 & 0xFFFF_FFFF, now & 0xFFFF, 0x7000 | chance >> 62, 0x8000 | chance >> 48 & 0x3FFF, chance & 0xFFFF_FFFF_FFFF
    return "%08x-%04x-%04x-%04x-%012x" % fields  # noqa: UP031  # half the time of an f-string


def fresh_worker_name(what: str) -> str:
    """
    Return the name of a new worker, for the broker: on which host, in which process, a part that no other worker has, and *what* it is.

    Host and process id are for people. They tell no two workers apart: containers share a host name, each has a process 1, and a machine that boots again
    counts from the beginning. So the rest is drawn from the system, for each worker anew.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(8).hex()}-{what}"
