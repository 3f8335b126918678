"""`without_injected`: the parameters of a function that calls pass, apart from those that a worker fills with resources."""

from collections.abc import Mapping
from inspect import Parameter, Signature

from attrs import frozen

from fq.core.injection import Injected

_BY_POSITION = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)


@frozen
class InjectedParameter:
    """
    A parameter whose default is `Injected`.

    Attributes:
        marker: its default.

        annotation: as it is written; `inspect.Parameter.empty` if there is none.

        misplaced: why no worker could fill it by its name; ``""`` if one can.
    """

    marker: Injected
    annotation: object
    misplaced: str = ""


def without_injected(signature: Signature) -> tuple[Signature, Mapping[str, InjectedParameter]]:
    """Return *signature* without the injected parameters, and these by name."""
    found: dict[str, InjectedParameter] = {}
    parameters = list(signature.parameters.values())
    for at, parameter in enumerate(parameters):
        if isinstance(parameter.default, Injected):
            found[parameter.name] = InjectedParameter(parameter.default, parameter.annotation, _misplaced(parameter, parameters[at + 1 :]))
    if not found:
        return signature, found
    return signature.replace(parameters=[parameter for parameter in parameters if parameter.name not in found]), found


def _misplaced(parameter: Parameter, later: list[Parameter]) -> str:
    if parameter.kind is Parameter.POSITIONAL_ONLY:
        return "it takes its argument by position only"
    following = next((each.name for each in later if each.kind in _BY_POSITION and not isinstance(each.default, Injected)), "")
    return f"the argument of {following}, which comes after it, may be passed by position" if following else ""
