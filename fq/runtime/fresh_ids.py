"""
Fresh ids, drawn at random.

Message ids are version 7 UUIDs (RFC 9562). They begin with the time, so that new messages are neighbours in an index of a broker.
"""

import os
import random
import socket

_random = random.Random(os.urandom(32))  # noqa: S311  # ids are no secrets
getrandbits = _random.getrandbits
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def fresh_id(now: int) -> str:
    """Return a new id made at *now*, ms since the epoch."""
    random_bits = getrandbits(74)
    fields = (
        now >> 16 & 0xFFFF_FFFF,
        now & 0xFFFF,
        0x7000 | random_bits >> 62,
        0x8000 | random_bits >> 48 & 0x3FFF,
        random_bits & 0xFFFF_FFFF_FFFF,
    )
    return "%08x-%04x-%04x-%04x-%012x" % fields  # noqa: UP031  # half the time of an f-string


def fresh_worker_name(what: str) -> str:
    """
    Return the unique name of a new worker, for the broker: host, process id, a random part, and *what* it is.

    Host and process id are for people. They do not make the name unique: containers may share a host name, each has a process 1, and process ids start
    again after a reboot. The random part does.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(8).hex()}-{what}"
