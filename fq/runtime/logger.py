"""
`logger`: the loggers of fq. Shell.

If a handler or a filter of the application raises, one record is lost, and the thread that logs goes on. Configuring logging does not silence fq by accident.
"""

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fq.errors import FqError, Interrupt


class SafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose calls never raise, even if a handler or a filter does."""

    def log(self, level: int, msg: object, *args: object, stacklevel: int = 1, **kwargs: Any) -> None:  # noqa: ANN401  # as logging has it
        """Log *msg* % *args*. An error in a handler or a filter is reported on standard error."""
        try:
            if self.isEnabledFor(level):
                self.logger.log(level, msg, *args, stacklevel=stacklevel + 1, **kwargs)
        except (KeyboardInterrupt, Interrupt):
            raise  # it has nothing to do with the record
        except BaseException as error:
            _report(error, msg, args)


def logger(name: str) -> SafeLogger:
    """Return the logger called *name*, for use inside fq."""
    found = logging.getLogger(name)
    if not isinstance(found, KeptLogger):
        found.__class__ = type("KeptLogger", (KeptLogger, type(found)), {})
    return SafeLogger(found, {})


class KeptLogger(logging.Logger):
    """
    A logger that ``disable_existing_loggers`` leaves alone.

    By default `logging.config` disables each existing logger that a configuration does not name. Setting `disabled`, a level or ``propagate`` works
    here as on any logger.
    """

    @property
    def disabled(self) -> bool:
        """Does it log nothing?"""
        return bool(self.__dict__.get("disabled"))

    @disabled.setter
    def disabled(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # an attribute there
        if not value or sys._getframe(1).f_globals.get("__name__") != "logging.config":
            self.__dict__["disabled"] = value


def unexpected(error: Exception) -> Exception | None:
    """Return *error* if the log should have its traceback; None for an error of fq, whose text is enough."""
    return None if isinstance(error, FqError) else error


def _report(error: BaseException, msg: object, args: tuple[object, ...] | Mapping[str, object]) -> None:
    """Write to standard error, if there is one, which record was lost, as `logging` does for an error that a handler reports."""
    if not logging.raiseExceptions or sys.stderr is None:
        return
    with suppress(Exception):
        text = str(msg) % args if args else str(msg)
        sys.stderr.write(f"a logging handler or filter raised {type(error).__name__}: {error}; the record is lost: {text}\n")


__all__ = ["SafeLogger", "logger", "unexpected"]
