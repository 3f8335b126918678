"""The states of a message in the tables of a SQL database."""

DELAYED, READY, RUNNING = 0, 1, 2
"""The states of a message in the tables."""

NEVER = 2**62
"""A time that does not come: a message that is put aside for a unique key is delayed until then."""
