"""Re-exports ``fq.core.derived_ids``, ids that follow from the id of a message, under its former path until 1.0."""

from fq.core.derived_ids import child_id, jitter

__all__ = ["child_id", "jitter"]
