"""Which errors of a call do not last, so that it is repeated, and which do. Pure."""

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as TimedOut

TRANSIENT_ERRORS = (
    NotConnected,
    TimedOut,
    BusyLoadingError,
    ReadOnlyError,
    MovedError,
    AskError,
    TryAgainError,
    ClusterDownError,
    MasterDownError,
)
"""Errors that do not last: the server is being started or replaced, or was looked for at the wrong address."""

TRANSIENT_WORDS = ("READONLY ", "LOADING ", "BUSY ", "CLUSTERDOWN ", "MASTERDOWN ")
"""The same, as a script of Redis 6.2 and a busy server report them: within a text."""

ACCESS_ERRORS = (AuthenticationError, AuthorizationError, NoPermissionError)
"""Errors that last; redis-py takes some of them for a lost connection."""


def is_transient(error: RedisError) -> bool:
    """Return whether *error* does not last: the call is worth another try."""
    return isinstance(error, TRANSIENT_ERRORS) or any(word in str(error) for word in TRANSIENT_WORDS)
