"""`handling`: calls a hook as from inside an ``except`` clause, so that ``sys.exc_info()`` works in it."""

from collections.abc import Callable

from fq.errors.exception_text import context_of, frames_of


def handling(error: BaseException | None, call: Callable[[], object]) -> None:
    """
    Call *call* while *error*, if any, is being handled: ``logger.exception()`` and ``traceback.format_exc()`` see it.

    >>> import sys
    >>> handling(ValueError("boom"), lambda: print(sys.exc_info()[1]))
    boom
    """
    if error is None:
        call()
        return
    traceback, context = frames_of(error), context_of(error)
    try:
        raise error
    except BaseException:  # always *error*, raised above
        call()
    finally:  # keep no frame of this call in it; a frozen error refuses `error.__traceback__ = ...`
        BaseException.__setattr__(error, "__traceback__", traceback)
        BaseException.__setattr__(error, "__context__", context)
