"""
`Fault`, an error as data: what is left of an exception once it is stored.

The core may hold one; only the shell makes one, since it reads source lines.
"""

import traceback
from collections.abc import Mapping

from attrs import frozen


@frozen
class Fault:
    """
    Why a task failed for good, as it is stored with dead letters and results.

    Attributes:
        type: name of the exception's class.

        message: its text.

        traceback: as Python prints it, ``""`` where the error never had one.
    """

    type: str
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> "Fault":
        """Return *error* as data; the exception itself may then be let go, with every frame that it holds."""
        text = "" if error.__traceback__ is None else "".join(traceback.format_exception(error, limit=-30))
        return cls(_sound(type(error).__name__), _sound(_text(error)), _sound(text))

    def as_json(self) -> dict[str, str]:
        """Return the wire form."""
        return {"type": self.type, "message": self.message, "traceback": self.traceback}

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> "Fault":
        """Return the fault whose wire form is *fields*; what is missing is empty."""
        return cls(str(fields.get("type", "")), str(fields.get("message", "")), str(fields.get("traceback", "")))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as worse:  # a class of somebody else's: it must not keep its message from being committed
        return f"its text cannot be had: __str__ raised {type(worse).__name__}"


def _sound(text: str) -> str:
    r"""Return *text* such that every broker can keep it: a lone surrogate, as in a file name that is not UTF-8, becomes ``\udc80``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
