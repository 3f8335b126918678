"""`Access`: what the person behind a request may do. `basic_auth` and `read_only` are checks to pass to `web`. Pure."""

import base64
import binascii
import secrets
from collections.abc import Callable, Collection
from typing import Literal, TypeAlias

from attrs import frozen
from starlette.requests import Request

from fq.errors import OptionError

ACTIONS = frozenset(
    (
        *("requeue", "cancel", "discard", "run_now", "edit", "pause", "resume", "purge"),
        *("pause_schedule", "resume_schedule", "run_schedule", "remove_schedule"),
        *("quiet_worker", "resume_worker", "stop_worker", "stacks"),
    )
)
"""The names of the actions."""

VALUES = "values"
"""The permission to see the values of arguments and results where `redact` hides them, and to search for them."""

Access: TypeAlias = Literal["all", "read"] | Collection[str] | None
"""``"all"``, ``"read"``, or the set of what is allowed beside reading: names of actions, and ``"values"``. None: nothing at all."""

AccessCheck: TypeAlias = Callable[[Request], Access]


@frozen
class Permissions:
    """What a person may do: *actions* by name, and, with *values*, see the values of all arguments."""

    actions: frozenset[str]
    values: bool

    @classmethod
    def of(cls, access: Access) -> "Permissions | None":
        """
        Return the permissions that *access* stands for; None if it is None.

        >>> Permissions.of("read")
        Permissions(actions=frozenset(), values=False)

        Raises:
            OptionError: an unknown name.
        """
        if access is None:
            return None
        if isinstance(access, str):
            if access not in ("all", "read"):
                raise OptionError(f"access: found {access!r}, expected 'all', 'read', a set of names, or None")
            return cls(ACTIONS, True) if access == "all" else cls(frozenset(), False)
        names = frozenset(access)
        if unknown := names - ACTIONS - {VALUES}:
            raise OptionError(
                f"access: found {', '.join(sorted(map(str, unknown)))}, expected some of {', '.join(sorted(ACTIONS))}, values"
            )
        return cls(names & ACTIONS, VALUES in names)


def read_only(check: AccessCheck) -> AccessCheck:
    """Return *check* that allows nothing but to read."""

    def reading(request: Request) -> Access:
        return None if check(request) is None else "read"

    return reading


def basic_auth(user: str, password: str) -> AccessCheck:
    """
    Return a check for one *user* with a *password*, by HTTP basic authentication: everything is allowed. Use it behind TLS.

    Raises:
        OptionError: an empty password, or a colon in the name.
    """
    if not password or ":" in user:
        raise OptionError("expected a user without a colon, and a password that is not empty")
    expected = f"{user}:{password}".encode()

    def check(request: Request) -> Access:
        return "all" if secrets.compare_digest(basic_login(request) or b"", expected) else None

    return check


def basic_login(request: Request) -> bytes | None:
    """Return ``user:password`` of *request*; None if it has none."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        return None


def who_asks(request: Request) -> str:
    """Return the name of the person behind *request* for the log: of the session's user or the login, else the address of the client."""
    user = request.scope.get("user")
    if name := getattr(user, "display_name", "") or getattr(user, "username", ""):
        return str(name)
    if login := basic_login(request):
        return login.partition(b":")[0].decode(errors="replace")
    return request.client.host if request.client else "unknown"
