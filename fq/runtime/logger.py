"""
`logger`: how fq itself logs. Shell.

A handler or a filter of the application that raises costs a record, and never the thread that logs. And an application that configures logging for itself
does not silence fq by it.
"""

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fq.errors import FqError, Interrupt


class SafeLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose calls do not raise, whatever the handlers and filters behind it do."""

    def log(self, level: int, msg: object, *args: object, stacklevel: int = 1, **kwargs: Any) -> None:  # noqa: ANN401  # as logging has it
        """Log *msg* % *args*; what a handler or a filter raises is reported on standard error."""
        try:
            if self.isEnabledFor(level):
                self.logger.log(level, msg, *args, stacklevel=stacklevel + 1, **kwargs)
        except (KeyboardInterrupt, Interrupt):
            raise  # it is not about the record
        except BaseException as error:
            _report(error, msg, args)


def logger(name: str) -> SafeLogger:
    """Return the logger called *name*, for fq's own use."""
    found = logging.getLogger(name)
    if not isinstance(found, KeptLogger):
        found.__class__ = type("KeptLogger", (KeptLogger, type(found)), {})
    return SafeLogger(found, {})


class KeptLogger(logging.Logger):
    """
    A logger that ``disable_existing_loggers`` leaves alone.

    By default `logging.config` disables each logger that a configuration does not name. It never disables one by its name, so who wants that sets `disabled`,
    a level or ``propagate``; these work here as on any logger.
    """

    @property
    def disabled(self) -> bool:
        """Is nothing logged here?"""
        return bool(self.__dict__.get("disabled"))

    @disabled.setter
    def disabled(self, value: bool) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # an attribute there
        if not value or sys._getframe(1).f_globals.get("__name__") != "logging.config":
            self.__dict__["disabled"] = value


def unforeseen(error: Exception) -> Exception | None:
    """Return *error* if its traceback belongs in the log, None if it is one of fq's own, whose text says all."""
    return None if isinstance(error, FqError) else error


def _report(error: BaseException, msg: object, args: tuple[object, ...] | Mapping[str, object]) -> None:
    """Say on standard error which record was lost, where there is one, as `logging` itself does for what a handler reports."""
    if not logging.raiseExceptions or sys.stderr is None:
        return
    with suppress(Exception):
        text = str(msg) % args if args else str(msg)
        sys.stderr.write(f"a logging handler or filter raised {type(error).__name__}: {error}; the record is lost: {text}\n")


__all__ = ["SafeLogger", "logger", "unforeseen"]
