"""
The options of a message that fq writes itself, all in one list: their names begin with `PREFIX`, so that no option of a user has such a name.

`check_open` refuses such names where users give options; `check_sent` where messages are given that may have been received before. ``retries`` is the one
option without the prefix that fq writes, because class-style middleware reads and writes it, too.
"""

from collections.abc import Callable, Mapping

from fq.errors import OptionError

PREFIX = "fq."

PIPE = "fq.pipe"
"""The nodes that come after the message: see ``fq.workflows.pipeline``."""

GROUP = "fq.group"
"""The places in groups of the end of its pipe: see `fq.workflows.group_slot.GroupSlot`."""

GATHERED = "fq.gathered"
"""The last argument is to be the values of a group, which the broker puts in: see ``fq.workflows.group_results``."""

UNKNOWN_SINCE = "fq.unknown_since"
"""When a worker first found no actor of this name, ms since the epoch."""

WORKFLOW = "fq.workflow"
"""The group at which all ends of its workflow arrive: until it is complete, the results of the workflow are kept. See ``fq.workflows.group_results``."""

RETRIES = "retries"


def _is_pipe(value: object) -> bool:
    return _is_list_of(value, lambda node: type(node.get("actor_name")) is str or type(node.get("members")) in (list, tuple))


def _is_group(value: object) -> bool:
    return _is_list_of(value, lambda place: type(place.get("id")) is str and type(place.get("at")) is type(place.get("of")) is int)


def _is_gathered(value: object) -> bool:
    return isinstance(value, Mapping) and "takes" in value and value.keys() <= {"takes", "aside", "below"}


def _is_name(value: object) -> bool:
    return type(value) is str and value != ""


def _is_list_of(value: object, fits: Callable[[Mapping[str, object]], bool]) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, Mapping) and fits(item) for item in value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


OWN: Mapping[str, Callable[[object], bool]] = {
    PIPE: _is_pipe,
    GROUP: _is_group,
    GATHERED: _is_gathered,
    UNKNOWN_SINCE: _is_count,
    WORKFLOW: _is_name,
}
"""By name, whether a value is one that fq may have written."""

FORMER = {"pipe": PIPE, "group": GROUP, "gathered": GATHERED}
"""What the release before called them. Values of such an option that only fq can have written are read for one release more."""


def check_open(options: Mapping[str, object]) -> None:
    """
    Let *options*, which a user gives to an actor, a call or a message, pass.

    Raises:
        OptionError: one has a name or a value that belongs to fq; says what to write.
    """
    for name, value in options.items():
        if isinstance(name, str) and name.startswith(PREFIX):
            _refuse(name, value, f"names that begin with {PREFIX!r} are fq's own: call it {name.removeprefix(PREFIX) or 'option'!r}")
    _check_values(options)


def check_sent(options: Mapping[str, object]) -> None:
    """
    Let *options* pass, of a message that is given as a whole: as it was received, it has options of fq's.

    Raises:
        OptionError: see `check_open`.
    """
    foreign = {name: value for name, value in options.items() if name not in OWN or not OWN[name](value)}
    check_open(foreign)


def _check_values(options: Mapping[str, object]) -> None:
    for name, own in FORMER.items():
        if name in options and OWN[own](options[name]):
            _refuse(name, options[name], f"fq still takes such a value for its own: call it {'my_' + name!r}")
    if RETRIES in options and not _is_count(options[RETRIES]):
        _refuse(RETRIES, options[RETRIES], "it counts the retries so far: a whole number from 0")


def _refuse(name: str, value: object, why: str) -> None:
    raise OptionError(f"option {name!r} of a message: found {value!r}; {why}")


def read(options: Mapping[str, object]) -> Mapping[str, object]:
    """Return *options* with today's names for what the release before wrote."""
    former = {name: own for name, own in FORMER.items() if name in options and OWN[own](options[name])}
    return {former.get(name, name): value for name, value in options.items()} if former else options
