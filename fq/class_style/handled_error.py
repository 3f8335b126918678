"""`handling`: calls a hook the way an ``except`` clause would, so that ``sys.exc_info()`` is there in it."""

from collections.abc import Callable

from fq.errors.exception_text import context_of, frames_of


def handling(error: BaseException | None, call: Callable[[], object]) -> None:
    """
    Call *call* while *error*, if there is one, is being handled: ``logger.exception()`` and ``traceback.format_exc()`` find it.

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
    except BaseException:  # it is the one raised here
        call()
    finally:  # no frame of this call may stay in it; set like this, since a frozen error refuses `error.__traceback__ = ...`
        BaseException.__setattr__(error, "__traceback__", traceback)
        BaseException.__setattr__(error, "__context__", context)
