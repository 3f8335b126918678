"""The logging of the command line: text for people, JSON for programs, one line a record. An application that uses fq as a library sets up its own."""

import json
import logging
import os
import stat
import sys
import time
from pathlib import Path
from typing import Literal, TextIO

from attrs import frozen

from fq.core.printable import indented, printable
from fq.execution.log_context import FIELDS, MessageFilter

TEXT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"

OF_LOGGING = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName", "fq"}
"""The attributes of a record that `logging` and fq give it; all others are from the application."""

LogFormat = Literal["text", "json"]


class TextFormatter(logging.Formatter):
    """
    A record begins at the start of a line, and what follows it is indented: nothing in it can look like another record, or change a terminal.

    A record of the application that was made inside an actor ends with the actor and the id of the message.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name that logging calls
        line = super().formatMessage(record)
        message_id = getattr(record, "message_id", "")
        return f"{line} ({getattr(record, 'actor', '')} {message_id})" if message_id and not hasattr(record, "fq") else line

    def format(self, record: logging.LogRecord) -> str:
        return indented(printable(super().format(record), lines=True))


class JsonFormatter(logging.Formatter):
    """
    One JSON object a record: time (ISO 8601, UTC), level, process, logger, message, and the traceback where there is one.

    Records about a message, and those made inside an actor, have its facts as further fields: ``message_id``, ``actor`` … So has what was given as ``extra``.
    """

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "process": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fq", {}),
        }
        for name, value in vars(record).items():
            if name not in OF_LOGGING and (value or name not in FIELDS):
                fields.setdefault(name, value)
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class QuietStreamHandler(logging.StreamHandler[TextIO]):
    """Writes records to a stream; if that fails, because the disk is full or the stream is closed, the record is lost and the work goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name that logging calls
        if not isinstance(sys.exc_info()[1], OSError) and not getattr(self.stream, "closed", True):
            super().handleError(record)


class NonBlockingHandler(QuietStreamHandler):
    """
    In the process that creates it, drops a record for which a pipe has no room, instead of waiting for its reader. Forks of that process wait.

    A supervisor that waits renews no lease. The pipe is opened once more, because a descriptor is non-blocking for all processes that share it.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._process = os.getpid()
        self._pipe = _opened_again(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*, or drop it."""
        if self._pipe < 0 or os.getpid() != self._process:
            super().emit(record)
            return
        try:
            os.write(self._pipe, f"{self.format(record)}{self.terminator}".encode(errors="backslashreplace"))
        except Exception:
            self.handleError(record)


def _opened_again(stream: TextIO) -> int:
    """Return a descriptor of the pipe behind *stream* that is never waited for, -1 if there is no pipe, or no way to have one."""
    try:
        descriptor = stream.fileno()
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return -1
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    except (OSError, ValueError, AttributeError):  # no reader, closed, or no stream
        return -1


@frozen
class LogSettings:
    """What is logged, how, and where: to *file*, or to standard error."""

    level: int
    form: LogFormat
    file: Path | None

    def set_up(self, supervises: bool = False) -> None:
        """
        Send all logging there. A process that *supervises* never waits for the reader of the log.

        An application may replace the handlers of the root logger by its own. fq's own records go to *file* all the same.

        Raises:
            OSError: the file cannot be opened.
        """
        stream = sys.stderr if self.file is None else self.file.open("a", encoding="utf-8", buffering=1)
        own, handler = (self._handler(stream, supervises) for _ in range(2))
        logging.basicConfig(level=self.level, handlers=[handler], force=True)
        fq = logging.getLogger("fq")
        for before in [before for before in fq.handlers if isinstance(before, QuietStreamHandler)]:
            fq.removeHandler(before)
        if self.file is not None:
            handler.addFilter(lambda record: record.name.partition(".")[0] != "fq")
            fq.addHandler(own)

    def _handler(self, stream: TextIO, supervises: bool) -> logging.Handler:
        handler = (NonBlockingHandler if supervises else QuietStreamHandler)(stream)
        handler.addFilter(MessageFilter())
        handler.setFormatter(JsonFormatter() if self.form == "json" else TextFormatter(TEXT))
        return handler

    def to_json(self) -> str:
        """Return it as text, for a process that should log in the same way."""
        return json.dumps([self.level, self.form, None if self.file is None else str(self.file)])

    @classmethod
    def from_json(cls, text: str) -> "LogSettings":
        """Return the settings that `to_json` wrote."""
        level, form, file = json.loads(text)
        return cls(level, form, None if file is None else Path(file))
