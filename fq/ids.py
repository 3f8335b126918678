"""Fresh message ids: version 7 UUIDs (RFC 9562), whose time prefix keeps neighbours together in a broker's index."""

import os
import random

_random = random.Random(os.urandom(32))  # noqa: S311  # ids are no secrets
getrandbits = _random.getrandbits
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def fresh_id(now: int) -> str:
    """Return a new id made at *now*, ms since the epoch: the one place where fq draws chance."""
    chance = getrandbits(74)
    fields = now >> 16 & 0xFFFF_FFFF, now & 0xFFFF, 0x7000 | chance >> 62, 0x8000 | chance >> 48 & 0x3FFF, chance & 0xFFFF_FFFF_FFFF
    return "%08x-%04x-%04x-%04x-%012x" % fields  # noqa: UP031  # half the time of an f-string
