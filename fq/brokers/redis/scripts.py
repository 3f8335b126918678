"""The Lua scripts, read from the package once, each with what all of them share put before it."""

from functools import cache
from hashlib import sha1
from importlib.resources import files

from attrs import field, frozen


@frozen
class Script:
    """A script: *text* goes to a server that does not know it yet, *sha* to one that does."""

    name: str
    text: bytes = field(repr=False)
    sha: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text, usedforsecurity=False).hexdigest().encode())


ALONE = ("await", "kept", "one")
"""Scripts that need nothing of what the others share."""

NEEDS = {"turn": ("changes",), "strays": ("changes",), "requeue": ("changes",)}
"""What a script needs beyond that."""


@cache
def script(name: str) -> Script:
    """Return the script in ``lua/<name>.lua``."""
    parts = (name,) if name in ALONE else ("common", "post", *NEEDS.get(name, ()), name)
    folder = files("fq") / "brokers" / "redis" / "lua"
    return Script(name, b"\n".join((folder / f"{part}.lua").read_bytes() for part in parts))
