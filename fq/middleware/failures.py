"""What becomes of an exception, or of a wrong return value, of a layer: an outcome that is a failure."""

from collections.abc import Coroutine

from fq.core.outcome import Outcome
from fq.errors import LayerError, SkipMessage
from fq.errors.exception_text import is_a
from fq.errors.propagation import aescapes, escapes


def layer_failure(layer: object, error: BaseException, awaited: bool = False) -> Outcome:
    """Return the outcome of *error*, which *layer* raised, or what it *awaited*. Raise it if it is meant for the thread or task: ``fq.errors.propagation``."""
    if (aescapes if awaited else escapes)(error):
        raise error
    return Outcome.raised(error if is_a(error, (SkipMessage, LayerError)) else LayerError(layer, error))


def checked_outcome(layer: object, face: str, found: object) -> Outcome:
    """
    Return *found*, which *face* of *layer* returned, if it is an outcome; else a failure.

    A function of its own, so that no frame of the traceback of an exception has a local that refers to the exception: it is freed at once.
    """
    return found if isinstance(found, Outcome) else wrong_return(layer, face, found)


def wrong_return(layer: object, face: str, found: object, expected: str = "an Outcome") -> Outcome:
    """Return the failure of *face* of *layer*, which returned *found* and not what was *expected*."""
    hint = ""
    if isinstance(found, Coroutine):
        found.close()  # it will never be awaited
        hint = ": await what next returns"
    return layer_failure(layer, TypeError(f"{face} returned {found!r}, expected {expected}{hint}"))
