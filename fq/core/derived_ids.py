"""Ids and jitter that follow from the id of a message. The core draws no randomness, so a redelivered message yields equal effects."""

from hashlib import blake2b
from uuid import UUID


def child_id(message_id: str, *path: object) -> str:
    """
    Return the id of the follow-up of *message_id* that *path* names. It is always the same.

    >>> child_id("m1", "pipe")
    'eab2a3c7-f4ac-baa5-da56-36be0c8b0e81'
    """
    return str(UUID(bytes=_digest(16, message_id, *path)))


def jitter(*identity: object) -> float:
    """Return a fraction in [0, 1) that depends on *identity* alone: a hash spreads retries as well as randomness does."""
    return int.from_bytes(_digest(8, *identity)) / 2**64


def _digest(size: int, *identity: object) -> bytes:
    return blake2b("\x1f".join(map(str, identity)).encode("utf-8", "surrogatepass"), digest_size=size).digest()
