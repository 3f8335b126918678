"""The Lua scripts, read from the package once, each with the libraries that it needs before it."""

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


STANDALONE = ("await_result", "enqueue_one", "result_flags")
"""Scripts that need no library."""

LIBRARIES = ("common", "enqueue_lib")
"""What all others begin with."""

UNIQUE = ("unique_lib",)
MARKS = ("unique_lib", "marks_lib")

OWN_LIBRARIES = {
    "turn": (
        *MARKS,
        "commit_operations",
        *(
            "turn/arguments",
            "turn/memory",
            "turn/claim_lib",
            "turn/handed",
            "turn/replay",
            "turn/fence",
            "turn/apply",
            "turn/claim",
            "turn/remember",
        ),
    ),
    "status": UNIQUE,
    "browse": ("browse_lib",),
    "browse_claims": ("browse_lib",),
    "bury_foreign": (*UNIQUE, "commit_operations"),
    "requeue": (*UNIQUE, "commit_operations"),
    **dict.fromkeys(("cancel", "discard", "place", "purge", "replace"), UNIQUE),
    **dict.fromkeys(("count_marks", "marks", "marks_in", "register_waiting", "renew_leases", "set_marks"), MARKS),
}
"""What a script needs beyond those, in this order: a function is defined before it is used."""


def parts(name: str) -> tuple[str, ...]:
    """Return the names of the files, in ``lua/`` and without ``.lua``, that the script *name* consists of."""
    return (name,) if name in STANDALONE else (*LIBRARIES, *OWN_LIBRARIES.get(name, ()), name)


@cache
def script(name: str) -> Script:
    """Return the script in ``lua/<name>.lua``."""
    folder = files("fq") / "brokers" / "redis" / "lua"
    first, *rest = [(folder / f"{part}.lua").read_bytes() for part in parts(name)]
    if not rest:
        return Script(name, first)
    # Inside a function, the functions of a script copy what they use of the first library; outside, Lua would search for each variable of each of them.
    return Script(name, b"\n".join((first, b"return (function()", *rest, b"end)()")))
