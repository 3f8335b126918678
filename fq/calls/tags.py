"""`tag_options`: the option *tags* of actors and calls, short texts by which messages can be found."""

from collections.abc import Mapping

from fq.core.reserved_options import TAGS
from fq.errors import OptionError

MAX_TAGS, MAX_TAG_LENGTH = 20, 100
"""How many tags a message has at most, and how long each is, in characters."""


def tag_options(options: Mapping[str, object]) -> dict[str, object]:
    """Return what the option *tags* of an actor or a call, if it is among *options*, adds to the options of messages."""
    return {TAGS: checked_tags(options["tags"])} if "tags" in options else {}


def checked_tags(tags: object) -> list[str]:
    """
    Return *tags*, a list or tuple of texts, without repetitions.

    >>> checked_tags(("billing", "tenant-7", "billing"))
    ['billing', 'tenant-7']

    Raises:
        OptionError: anything else, too many, or a text that is empty or too long.
    """
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) and 0 < len(tag) <= MAX_TAG_LENGTH for tag in tags):
        raise OptionError(f"tags: found {tags!r}, expected a list of texts of 1 to {MAX_TAG_LENGTH} characters")
    if len(tags) > MAX_TAGS:
        raise OptionError(f"tags: found {len(tags)} texts, expected {MAX_TAGS} at most")
    return list(dict.fromkeys(tags))
