"""`read_text`: converts an argument typed on a command line."""

import json

from fq.wire.convert import ConversionError
from fq.wire.signature.parameters import Parameter


class Typed(str):
    """An argument that a person typed: JSON, or text."""

    __slots__ = ()


def read_text(parameter: Parameter, value: object, path: str) -> object:
    """
    Return what the function gets for *value*. A typed argument is read as JSON where that fits *parameter*, else as text.

    Raises:
        ConversionError: neither fits; says why the JSON does not, if it is JSON.
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
    except ConversionError as json_error:
        try:
            return parameter.decode(text, path)
        except ConversionError:
            raise json_error from None
