"""`convert_result`: a result to JSON, or from it, with an error that names it."""

from collections.abc import Coroutine

from fq.errors import InvalidResult
from fq.wire.convert import ConversionError, Convert, at_path


def convert_result(convert: Convert, value: object) -> object:
    """
    Return what *convert* makes of *value*, the result of an actor.

    Raises:
        InvalidResult: it does not fit; with the path.
    """
    if isinstance(value, Coroutine):
        value.close()  # else Python warns of it somewhere else
        name = getattr(value, "__qualname__", type(value).__name__)
        raise InvalidResult(
            f"result: found a coroutine of {name!r}, which is not awaited, since the actor is a plain function; is a decorator between "
            "the actor and its async function? Make the function in that decorator async, or await the coroutine in it"
        )
    try:
        return at_path("result", convert, value)
    except ConversionError as error:
        raise InvalidResult(str(error)) from None
