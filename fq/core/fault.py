"""
`Fault`: an error as data, in which an exception is stored.

The core may hold one. Only the shell makes one, since that reads source lines. ``fq.errors.exception_text`` formats tracebacks.
"""

from collections.abc import Mapping

from attrs import field, frozen

from fq.errors.exception_text import name_of, text_of, traceback_of

MAX_TEXT = 2_000
"""How many characters of the text of an error are stored."""

MAX_TRACEBACK = 8_000
"""How many characters of a traceback are stored."""


@frozen
class Fault:
    """
    Why a task failed, as dead letters and results store it: at most `MAX_TEXT` and `MAX_TRACEBACK` characters.

    Attributes:
        type: the name of the class of the exception.

        message: its text.

        traceback: as Python prints it; ``""`` if the error had none.

        whole: is nothing cut? Known only in the process that made it.
    """

    type: str
    message: str
    traceback: str = ""
    whole: bool = field(default=True, eq=False, repr=False)

    @classmethod
    def of(cls, error: BaseException) -> "Fault":
        """Return *error* as data, even if its methods raise. The exception itself, with all frames that it holds, can then be freed."""
        text, traceback = _encodable(text_of(error)), _encodable(traceback_of(error))
        whole = len(text) <= MAX_TEXT and len(traceback) <= MAX_TRACEBACK
        return cls(_encodable(name_of(error)), shortened(text, MAX_TEXT), shortened(traceback, MAX_TRACEBACK), whole)

    def as_json(self) -> dict[str, str]:
        """Return the wire form."""
        return {"type": self.type, "message": self.message, "traceback": self.traceback}

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> "Fault":
        """Return the fault whose wire form is *fields*; a missing field is empty."""
        return cls(str(fields.get("type", "")), str(fields.get("message", "")), str(fields.get("traceback", "")))


def fault_data(error: BaseException | None) -> dict[str, object]:
    """
    Return *error* as callbacks, and groups that collect failures, get it.

    >>> fault_data(ValueError("no"))
    {'type': 'ValueError', 'message': 'no'}
    """
    return {"type": type(None).__name__ if error is None else name_of(error), "message": fault_text(error)}


def fault_text(error: BaseException | None) -> str:
    """Return the text of *error*, cut to `MAX_TEXT` characters."""
    return str(error) if error is None else shortened(_encodable(text_of(error)), MAX_TEXT)


def shortened(text: str, limit: int) -> str:
    """
    Return *text* cut to *limit* characters: its beginning, a note, and its end.

    >>> shortened("abcdefghij", 4)
    'ab... (6 characters cut) ...ij'
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}... ({len(text) - 2 * half} characters cut) ...{text[len(text) - half :]}"


def _encodable(text: str) -> str:
    r"""Return *text* so that every broker can store it: a lone surrogate, as in a file name that is not UTF-8, becomes ``\udc80``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
