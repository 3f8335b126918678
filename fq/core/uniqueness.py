"""`Uniqueness`: the unique key of a message, with its terms, as it travels in the option ``fq.unique``. The layer is in ``fq.layers.unique``."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, Literal, TypeAlias, cast, get_args

from attrs import field, frozen

from fq.core.duration import to_ms
from fq.core.reserved_options import UNIQUE
from fq.errors import OptionError

Until: TypeAlias = Literal["start", "end"]
OnConflict: TypeAlias = Literal["keep", "raise", "replace", "after"]

MAX_KEY_BYTES = 1_024
"""The longest unique key, in UTF-8."""

ID_PREFIX = "id:"
"""A message with an id that its sender chose has this and the id as its key."""


def _check_key(_: object, __: object, key: str) -> None:
    if not isinstance(key, str):
        raise OptionError(f"found the unique key {key!r}, expected a text")
    if not key or "\0" in key or any("\ud800" <= character <= "\udfff" for character in key):
        raise OptionError(f"found the unique key {key!r}, expected a text that is not empty, without NUL and lone surrogates")
    if (size := len(key.encode())) > MAX_KEY_BYTES:
        raise OptionError(f"found a unique key of {size:,} bytes, {key[:40]!r}…, expected at most {MAX_KEY_BYTES:,}: use a hash of it")


def _check_choice(found: object, choices: tuple[str, ...]) -> None:
    if found not in choices:
        raise OptionError(f"found {found!r}, expected {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}")


@frozen
class Uniqueness:
    """
    The unique *key* of a message: while the message holds it, no other one with this key is sent.

    >>> Uniqueness("sync:7", until="start").as_json()
    {'key': 'sync:7', 'until': 'start'}

    Attributes:
        key: a text of 1,024 bytes at most.

        until: when the message frees the key: ``"start"``, when a worker claims it; ``"end"``, at its final outcome.

        window: the key is held for at least this long after the send, ms.

        on_conflict: what a send does while another message holds the key: ``"keep"``, ``"raise"``, ``"replace"`` or ``"after"``.

        max_wait: *replace* lets the message wait no longer than this after its first send, ms; 0 is no limit.
    """

    key: str = field(validator=_check_key)
    until: Until = "end"
    window: int = field(default=0, converter=to_ms)
    on_conflict: OnConflict = "keep"
    max_wait: int = field(default=0, converter=to_ms)

    def __attrs_post_init__(self) -> None:
        _check_choice(self.until, get_args(Until))
        _check_choice(self.on_conflict, get_args(OnConflict))
        if self.max_wait and self.on_conflict != "replace":
            raise OptionError(
                f"found max_wait={self.max_wait} with on_conflict={self.on_conflict!r}, expected 'replace': nothing else moves a message"
            )
        if self.on_conflict == "after" and self.until == "start":
            raise OptionError("found on_conflict='after' with until='start', expected until='end': a message that runs holds no key then")

    @property
    def replaces(self) -> bool:
        """Does a send change the message that waits with this key?"""
        return self.on_conflict in ("replace", "after")

    def as_json(self) -> dict[str, object]:
        """Return the value of the option ``fq.unique``; fields that have their default are left out."""
        terms = ((name, getattr(self, name), default) for name, default in _TERMS)
        return {"key": self.key, **{name: value for name, value, default in terms if value != default}}

    @classmethod
    def in_options(cls, options: Mapping[str, object]) -> "Uniqueness | None":
        """
        Return the uniqueness of a message with *options*; None if it has none.

        Raises:
            OptionError: the option ``fq.unique`` holds something else.
        """
        written = options.get(UNIQUE, NOT_UNIQUE)
        if written is False:
            return None
        try:
            return cls(**cast("Mapping[str, str]", written))  # type: ignore[arg-type]  # the validators say what is wrong
        except TypeError:
            raise OptionError(f"{UNIQUE}: found {written!r}, expected a key and its terms") from None


_TERMS = (("until", "end"), ("window", 0), ("on_conflict", "keep"), ("max_wait", 0))
"""The fields beside the key, with their defaults."""

NOT_UNIQUE: Final = False
"""The value of the option ``fq.unique`` of a message that has no key, although its actor has the layer."""


def id_key(message_id: str) -> str:
    """Return the key of a message with the id *message_id*, which its sender chose."""
    return ID_PREFIX + message_id


def digest_key(scope: str, values: object) -> str:
    """
    Return a short key for *values*, JSON values, in *scope*. Equal values have equal keys: the order of the names in an object does not count.

    >>> digest_key("sync", {"account": 7, "full": True}) == digest_key("sync", {"full": True, "account": 7})
    True
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return f"{scope}:{blake2b(text.encode(), digest_size=16).hexdigest()}"
