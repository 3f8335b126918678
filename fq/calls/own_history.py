"""`OwnHistory`: the methods of a `Handle` that say what became of its message."""

import asyncio

from fq.calls.handle_operations import ResultSource
from fq.calls.message_record import MessageRecord, find_record
from fq.core.attempts import Attempt


class OwnHistory:
    """What became of the message *message_id* of *app*. The layer `Keep` keeps records of messages that have ended, and notes attempts."""

    __slots__ = ()

    message_id: str
    app: ResultSource

    def history(self) -> MessageRecord | None:
        """
        Return what is known of the message; for a pipeline, of the last step. None: it is not known, or has ended without a record.

        A group has no message of its own: ask its `parts`.
        """
        return find_record(self.app.broker, self.message_id)

    async def ahistory(self) -> MessageRecord | None:
        """`history`, for async callers."""
        return await asyncio.to_thread(self.history)

    def attempts(self) -> tuple[Attempt, ...]:
        """Return the runs of the message that have ended, as far as they are noted: the first 5 and the latest 10."""
        record = self.history()
        return () if record is None else record.attempts

    async def aattempts(self) -> tuple[Attempt, ...]:
        """`attempts`, for async callers."""
        return await asyncio.to_thread(self.attempts)
