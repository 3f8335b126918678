"""
The options of a message that fq itself writes. Their names begin with `RESERVED_PREFIX`, which `check_user_options` refuses in options of users.

`check_message_options` is for whole messages, which fq may have written before. ``retries`` is the one option of fq without the prefix, because class-style
middleware reads and writes it, too.
"""

from collections.abc import Callable, Mapping

from fq.errors import OptionError

RESERVED_PREFIX = "fq."

PIPE = "fq.pipe"
"""The pipeline that comes after the message: see ``fq.workflows.pipeline``."""

GROUP = "fq.group"
"""The slots in groups of the end of its pipeline: see `fq.workflows.group_slot.GroupSlot`."""

GATHERED = "fq.gathered"
"""The broker appends the results of a group as the last argument: see ``fq.workflows.group_results``."""

UNKNOWN_SINCE = "fq.unknown_since"
"""When a worker first found no actor of this name, ms since the epoch."""

WORKFLOW = "fq.workflow"
"""The group at which all ends of its workflow arrive. Until it is complete, the results of the workflow are kept."""

ATTEMPTS = "fq.attempts"
"""What became of the earlier runs of a message that `Keep` keeps a record of: see ``fq.core.attempts``."""

PARENT = "fq.parent"
"""The message, or the group, that this message follows, if `Keep` keeps a record of that."""

ROOT = "fq.root"
"""The message, or the workflow, that this message comes from in the end, if `Keep` keeps a record of what it follows."""

FIRST_DELAY = "fq.delay"
"""How long a message that `Keep` keeps a record of waited before it was ready for the first time, ms."""

TAGS = "fq.tags"
"""Short texts by which a message can be found."""

UNIQUE = "fq.unique"
"""The unique key of the message, with its terms; False for none: see ``fq.core.uniqueness``."""

RETRY_COUNT = "retries"


def _is_pipeline(value: object) -> bool:
    return _is_list_of(value, lambda node: type(node.get("actor_name")) is str or type(node.get("members")) in (list, tuple))


def _is_slots(value: object) -> bool:
    return _is_list_of(value, lambda slot: type(slot.get("id")) is str and type(slot.get("at")) is type(slot.get("of")) is int)


def _is_gathered(value: object) -> bool:
    return isinstance(value, Mapping) and "takes" in value and value.keys() <= {"takes", "aside", "below"}


def _is_uniqueness(value: object) -> bool:
    return value is False or (isinstance(value, Mapping) and _is_name(value.get("key")))


def _is_name(value: object) -> bool:
    return type(value) is str and value != ""


def _is_names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_name, value))


def _is_list_of(value: object, fits: Callable[[Mapping[str, object]], bool]) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) and fits(item) for item in value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


RESERVED: Mapping[str, Callable[[object], bool]] = {
    PIPE: _is_pipeline,
    GROUP: _is_slots,
    GATHERED: _is_gathered,
    UNKNOWN_SINCE: _is_count,
    WORKFLOW: _is_name,
    ATTEMPTS: lambda value: _is_list_of(value, lambda attempt: type(attempt.get("n")) is int),
    PARENT: _is_name,
    ROOT: _is_name,
    FIRST_DELAY: _is_count,
    TAGS: _is_names,
    UNIQUE: _is_uniqueness,
}
"""By name, a test whether fq may have written the value."""

FORMER_NAMES = {"pipe": PIPE, "group": GROUP, "gathered": GATHERED}
"""Their names in the release before. A value that only fq can have written is still read under them, for one release."""


def check_user_options(options: Mapping[str, object]) -> None:
    """
    Check *options*, which a user gives to an actor, a call or a message.

    Raises:
        OptionError: a name or a value is reserved for fq; says what to write.
    """
    for name, value in options.items():
        if isinstance(name, str) and name.startswith(RESERVED_PREFIX):
            free = name.removeprefix(RESERVED_PREFIX) or "option"
            _refuse(name, value, f"names that begin with {RESERVED_PREFIX!r} are fq's own: call it {free!r}")
    _check_values(options)


def check_message_options(options: Mapping[str, object]) -> None:
    """
    Check *options* of a whole message, which may have options that fq has written.

    Raises:
        OptionError: see `check_user_options`.
    """
    foreign = {name: value for name, value in options.items() if name not in RESERVED or not RESERVED[name](value)}
    check_user_options(foreign)


def _check_values(options: Mapping[str, object]) -> None:
    for name, own in FORMER_NAMES.items():
        if name in options and RESERVED[own](options[name]):
            _refuse(name, options[name], f"fq still takes such a value for its own: call it {'my_' + name!r}")
    if RETRY_COUNT in options and not _is_count(options[RETRY_COUNT]):
        _refuse(RETRY_COUNT, options[RETRY_COUNT], "it counts the retries so far: a whole number from 0")


def _refuse(name: str, value: object, why: str) -> None:
    raise OptionError(f"option {name!r} of a message: found {value!r}; {why}")


def with_current_names(options: Mapping[str, object]) -> Mapping[str, object]:
    """Return *options* with the current names for those of the release before."""
    former = {name: own for name, own in FORMER_NAMES.items() if name in options and RESERVED[own](options[name])}
    return {former.get(name, name): value for name, value in options.items()} if former else options
