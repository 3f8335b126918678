"""`read_text`: an argument as it is typed on a command line."""

import json

from fq.wire.convert import Misfit
from fq.wire.signature.parameters import Parameter


class Typed(str):
    """An argument that was typed: JSON, or text."""

    __slots__ = ()


def read_text(parameter: Parameter, value: object, path: str) -> object:
    """
    Return what the function gets for *value*: of what was typed, its JSON where that fits *parameter*, or else the text itself.

    Raises:
        Misfit: neither fits; says why its JSON does not, if it has any.
    """
    if not isinstance(value, Typed):
        return parameter.decode(value, path)
    text = str(value)
    try:
        tree: object = json.loads(text)
    except ValueError:
        return parameter.decode(text, path)
    try:
        return parameter.decode(tree, path)
    except Misfit as misfit:
        try:
            return parameter.decode(text, path)
        except Misfit:
            raise misfit from None
