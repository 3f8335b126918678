"""`OwnProgress`: the methods of a `Handle` that say how far its message is. `watch` is in `Handle`, since its type is that of the result."""

import asyncio

from fq.calls.handle_operations import ResultSource
from fq.calls.reading_progress import read_progress
from fq.core.progress import Progress


class OwnProgress:
    """How far the message *message_id* of *app* is."""

    __slots__ = ()

    message_id: str
    app: ResultSource

    def progress(self) -> Progress | None:
        """
        Return the latest that the running actor has told by ``fq.progress``; for a pipeline, by its last step. None: it does not run, or has told nothing.

        A delivery that begins anew begins with none. Of a group, it is how many of its members have ended.
        """
        return read_progress(self.app.broker, self.message_id)

    async def aprogress(self) -> Progress | None:
        """`progress`, for async callers."""
        return await asyncio.to_thread(self.progress)
