"""`LayerOptions`: some fields of a layer, as options of an actor or of one call. `Middleware.options` makes it, with the types of the fields."""

from collections.abc import Callable, Mapping
from inspect import signature

from attrs import field, frozen

from fq.core.frozen import frozen_dict
from fq.errors import OptionError

MIN_LENGTH = 3
"""A shorter name is one edit away from too many others."""


@frozen
class LayerOptions:
    """Options of the layer class *kind*: *values* by the names of its fields."""

    kind: type
    values: Mapping[str, object] = field(converter=frozen_dict)

    def __repr__(self) -> str:
        return f"{self.kind.__name__}.options({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"


def layer_options(kind: type, option_names: frozenset[str], args: tuple[object, ...], kwargs: Mapping[str, object]) -> LayerOptions:
    """
    Return the options of *kind*, a class of layers with *option_names*, that these arguments of the class stand for.

    Raises:
        OptionError: the class does not take them.
    """
    make: Callable[..., object] = kind
    try:
        layer = make(*args, **kwargs)
        names = signature(make).bind(*args, **kwargs).arguments
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{kind.__name__}.options: {error.args[0] if error.args else error}"
        ) from None  # attrs puts its own records after the text
    if unknown := next((name for name in names if name not in option_names), ""):
        raise OptionError(f"{kind.__name__}.options: {unknown} is a field of the class, and no option of actors and messages")
    return LayerOptions(kind, {name: getattr(layer, name) for name in names})


def refuse_near_misses(names: Mapping[str, object], accepted: frozenset[str]) -> None:
    """
    Refuse entries of ``options={...}`` whose *names* are one edit away from an option that a layer has *accepted*.

    An entry may have any name: it may be meant for code of the user. So only a name that is probably a slip is refused.

    Raises:
        OptionError: there is one; names the option that was meant.
    """
    for name in names:
        if isinstance(name, str) and name not in accepted:
            meant = next(
                (option for option in sorted(accepted) if min(len(option), len(name)) >= MIN_LENGTH and is_one_edit(name, option)), ""
            )
            if meant:
                raise OptionError(
                    f"unknown option {name} in options={{...}}: did you mean {meant}? An entry of your own needs a name that differs more"
                )


def is_one_edit(found: str, meant: str) -> bool:
    """
    Does one edit make *meant* of *found*: a letter too much, one missing, a wrong one, or two neighbours swapped?

    >>> [is_one_edit(found, "opens") for found in ("opns", "openss", "opins", "opnes", "opens", "open_at")]
    [True, True, True, True, False, False]
    """
    same = next((at for at, (a, b) in enumerate(zip(found, meant, strict=False)) if a != b), min(len(found), len(meant)))
    a, b = found[same:], meant[same:]
    return found != meant and (a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[2:] == b[2:] and a[:2] == b[:2][::-1]))
