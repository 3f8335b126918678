"""Logging of the command line: text for people, JSON for programs, one line a record. Applications that use fq as a library set up their own."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Literal, TextIO

TEXT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"

LogFormat = Literal["text", "json"]


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time (ISO 8601, UTC), level, process, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "process": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str)


class QuietStreamHandler(logging.StreamHandler[TextIO]):
    """Writes records to a stream; when that fails, as on a full disk or where it was closed, the record is lost and the work goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name that logging calls
        if not isinstance(sys.exc_info()[1], OSError) and not getattr(self.stream, "closed", True):
            super().handleError(record)


def set_up(level: int, form: LogFormat, file: Path | None) -> None:
    """
    Send all logging to *file*, to be appended to, or to standard error.

    Raises:
        OSError: the file cannot be opened.
    """
    stream = sys.stderr if file is None else file.open("a", encoding="utf-8", buffering=1)
    handler = QuietStreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
