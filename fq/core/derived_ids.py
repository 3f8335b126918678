"""Ids and jitter that follow from the id of a message. The core draws no randomness, so a redelivered message yields equal effects."""

from hashlib import blake2b
from uuid import UUID


def child_id(message_id: str, *path: object) -> str:
    """
    Return the id of the follow-up of *message_id* that *path* names. It is always the same, and has the same tag, if any: see `tag_of`.

    >>> child_id("m1", "pipe")
    'eab2a3c7-f4ac-baa5-da56-36be0c8b0e81'
    >>> child_id("m1{customer-7}", "pipe")
    '...{customer-7}'
    """
    return f"{UUID(bytes=_digest(16, message_id, *path))}{_tag_with_braces(message_id)}"


def tag_of(message_id: str) -> str:
    """
    Return the tag of *message_id*: what is in braces at its end, ``""`` if there are none.

    >>> tag_of("order-12{customer-7}"), tag_of("order-12")
    ('customer-7', '')
    """
    return _tag_with_braces(message_id)[1:-1]


def _tag_with_braces(message_id: str) -> str:
    if not message_id.endswith("}"):
        return ""
    start = message_id.rfind("{")
    return message_id[start:] if 0 <= start < len(message_id) - 2 else ""


def jitter(*identity: object) -> float:
    """Return a fraction in [0, 1) that depends on *identity* alone: a hash spreads retries as well as randomness does."""
    return int.from_bytes(_digest(8, *identity)) / 2**64


def _digest(size: int, *identity: object) -> bytes:
    return blake2b("\x1f".join(map(str, identity)).encode("utf-8", "surrogatepass"), digest_size=size).digest()
