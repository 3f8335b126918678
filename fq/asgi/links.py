"""`TaskLinks`: what stands for a task in the path of a URL: its id, and a signature that shows that this server gave it away. Pure."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from urllib.parse import quote, unquote

from attrs import field, frozen

from fq.calls.handle import Handle
from fq.core.derived_ids import child_id
from fq.errors import ConfigError, OptionError

LEAST_SECRET = 16
"""The shortest secret, in bytes."""

SIGNATURE_BYTES = 16

MAX_STEPS = 1_000
"""The longest pipeline that a link can stand for."""


def _key(secret: str | bytes | None) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret or b""
    if secret is not None and len(key) < LEAST_SECRET:
        raise ConfigError(
            f"found a secret of {len(key)} bytes, expected {LEAST_SECRET} at least: take secrets.token_urlsafe() once, and keep it"
        )
    return key


@frozen
class TaskLinks:
    """
    Makes links of handles, and reads them. With a *secret*, each has a signature, without which it is refused.

    >>> links = TaskLinks("an example of a secret")
    >>> link = links.make("0199f0c3-6a5e-7d0b-9c44-52d1c5b8f3aa")
    >>> link
    '0199f0c3-6a5e-7d0b-9c44-52d1c5b8f3aa.Wy8OdiopGcuXJybDuacXSg'
    >>> links.read(link)
    ('0199f0c3-6a5e-7d0b-9c44-52d1c5b8f3aa',)
    >>> links.read("0199f0c3-6a5e-7d0b-9c44-52d1c5b8f3ab.Wy8OdiopGcuXJybDuacXSg") is None
    True
    """

    secret: bytes = field(converter=_key, repr=False)

    def of(self, handle: Handle[object]) -> str:
        """
        Return the link of *handle*.

        Raises:
            OptionError: with a secret, the handle of a group, or of a pipeline with one: the link cannot say which messages belong to it.
        """
        if not self.secret:
            return self.make(handle.message_id)
        if any(True for _ in handle.group_ids()):
            raise OptionError(
                f"found a handle of a workflow with a group, {handle.message_id}, expected a call or a pipeline of calls: "
                "keep its root_id, and let `access` return the handle"
            )
        return self.make(handle.root_id, len(handle.before) + 1)

    def make(self, message_id: str, steps: int = 1) -> str:
        """Return the link of a pipeline of so many *steps*, of which the first is *message_id*."""
        named = _escaped(message_id) + (f".{steps}" if steps > 1 else "")
        return f"{named}.{self._signature(named)}" if self.secret else named

    def read(self, link: str) -> tuple[str, ...] | None:
        """Return the ids of the messages that *link* stands for, one for each step; None if it is no link of this secret."""
        named = link
        if self.secret:
            named, _, signature = link.rpartition(".")
            if not hmac.compare_digest(self._signature(named).encode(), signature.encode("utf-8", "surrogatepass")):
                return None
        first, _, steps = named.partition(".")
        if not first or (steps and not self.secret):
            return None
        return tuple(_steps(unquote(first.replace("~", "%")), int(steps or 1)))

    def _signature(self, named: str) -> str:
        digest = hmac.digest(self.secret, b"fq task " + named.encode("utf-8", "surrogatepass"), sha256)
        return urlsafe_b64encode(digest[:SIGNATURE_BYTES]).rstrip(b"=").decode()


def _steps(message_id: str, count: int) -> Iterator[str]:
    for _ in range(min(count, MAX_STEPS)):
        yield message_id
        message_id = child_id(message_id, "pipe")


def _escaped(message_id: str) -> str:
    """Return *message_id* as one segment of a path, without a dot, that servers and proxies leave as it is."""
    return quote(message_id, safe="").replace("~", "%7E").replace(".", "%2E").replace("%", "~")
