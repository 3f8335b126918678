"""Fresh message ids: version 7 UUIDs (RFC 9562), whose time prefix keeps neighbours together in a broker's index."""

import os
import random

_random = random.Random(os.urandom(32))  # noqa: S311  # ids are no secrets
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def fresh_id(now: int) -> str:
    """Return a new id made at *now*, ms since the epoch: the one place where fq draws chance."""
    digits = f"{now & 0xFFFF_FFFF_FFFF:012x}7{_random.getrandbits(74):019x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{0x8000 | int(digits[16:20], 16) & 0x3FFF:04x}-{digits[20:]}"
