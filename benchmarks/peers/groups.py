"""All groups of queues that are measured, in the order of the report."""

from benchmarks.peers import Group, on_redis, on_sqlite, postgres

GROUPS: tuple[Group, ...] = (on_redis.GROUP, on_sqlite.GROUP, postgres.GROUP)
