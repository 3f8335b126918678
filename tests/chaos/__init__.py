"""Faults with real processes. What was sent and what ran is accounted for outside of the queue, in files that are only appended to."""
