"""`TagsIds`: a broker whose new messages get a tag in their ids."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class TagsIds(Protocol):
    """A broker in several shards. What follows a message stays in the shard of the message if its id has a tag; see ``fq.core.derived_ids``."""

    def tagged(self, message_id: str) -> str:
        """Return *message_id*, which is new, with a tag."""
        ...
