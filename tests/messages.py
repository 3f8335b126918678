"""`message`: as in `fq.testing`, with short names for fq's own options."""

from typing import Any

from fq import testing
from fq.core.message import Message
from fq.core.reserved_options import GATHERED, GROUP, PIPE

OWN = {"pipe": PIPE, "group": GROUP, "gathered": GATHERED}


def message(actor_name: str, *args: object, **facts: Any) -> Message:
    """Return a message; *pipe*, *group* and *gathered* are fq's own options."""
    own = {OWN[name]: facts.pop(name) for name in OWN if name in facts}
    made = testing.message(actor_name, *args, **facts)
    return made.with_options(**own) if own else made
