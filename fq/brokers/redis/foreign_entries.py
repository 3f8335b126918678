"""`ForeignEntry`: what is found among the messages of a queue and was not written by fq."""

from attrs import frozen

MAX_SHOWN_BYTES = 80
"""How many bytes of what cannot be read are shown."""


@frozen
class ForeignEntry:
    """What a worker claimed of *queue* that is no message of fq's: something else has put it there. *found* is None where there was no record."""

    queue: str
    message_id: bytes
    token: int
    found: bytes | None

    @property
    def name(self) -> str:
        """Return its id, as text."""
        return self.message_id.decode("utf-8", "backslashreplace")

    def __str__(self) -> str:
        shown = "no message" if self.found is None else repr(self.found[:MAX_SHOWN_BYTES])
        return f"found {shown}, expected a record of fq; something else writes to these keys: give fq a namespace of its own"
