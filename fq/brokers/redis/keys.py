"""
The names of all keys of a namespace; ``docs/redis.md`` says what each holds.

They share one hash tag, so that a cluster keeps them on one node and one script may use them all.
"""

from collections.abc import Iterable
from urllib.parse import quote

from fq.errors import ConfigError

FIXED_KEYS = (
    *("messages", "again", "letters", "leases", "workers", "queues", "paused", "waiting", "cancelled"),
    *("holders", "unique", "marks", "listed", "ends"),
)
"""The keys that a namespace has once, in the order in which scripts take them."""

MAX_CACHED_QUEUES = 10_000


class Keys:
    """Names of keys; those of queues are kept, since each turn asks for them. Mutable: a cache."""

    def __init__(self, namespace: str) -> None:
        if not namespace or set(namespace) & set("{}\0"):
            raise ConfigError(f"found namespace {namespace!r}, expected a name without braces, such as 'fq'")
        self.namespace = namespace
        self.prefix = f"{{{namespace}}}:"
        self.fixed = tuple(self.prefix + key for key in FIXED_KEYS)
        self.messages, _, self.letters, self.leases, self.workers, self.queue_names, self.paused, self.waiting, self.cancelled = self.fixed[
            :9
        ]
        self.unique = self.fixed[FIXED_KEYS.index("unique")]
        self._queues: dict[tuple[str, str], tuple[str, str, str, str]] = {}

    def queue(self, name: str, worker: str = "") -> tuple[str, str, str, str]:
        """Return the keys of the queue *name*: ready, delayed, dead, and what *worker* has claimed of it."""
        found = self._queues.get((name, worker))
        if found is None:
            if len(self._queues) > MAX_CACHED_QUEUES:
                self._queues.clear()
            safe = quote(name, safe="")
            ready, delayed, dead = (f"{self.prefix}{kind}:{safe}" for kind in ("ready", "delayed", "dead"))
            found = self._queues[name, worker] = (ready, delayed, dead, f"{self.prefix}claimed:{safe}:{worker}")
        return found

    def queues(self, names: Iterable[str], worker: str = "") -> list[str]:
        """Return the keys of several queues, one after the other."""
        return [key for name in names for key in self.queue(name, worker)]

    def claimed(self, queue: str, worker: str) -> str:
        """Return the key of what *worker* has claimed of *queue*."""
        return self.queue(queue, worker)[3]

    def result(self, message_id: str) -> str:
        """Return the key of the result of a message."""
        return f"{self.prefix}result:{message_id}"

    def group(self, group: str) -> str:
        """Return the key of what has arrived at a group."""
        return f"{self.prefix}group:{group}"

    def group_keys(self, group: str) -> tuple[str, str, str]:
        """Return all keys of a group: what has arrived, its follow-ups, and the results that wait until it is complete."""
        return self.group(group), f"{self.prefix}followups:{group}", f"{self.prefix}held:{group}"

    def send_mark(self, name: str) -> str:
        """Return the key of a mark, which remembers the number of the latest call of a producer that used it."""
        return f"{self.prefix}sent:{name}"

    def counters(self, bucket: str) -> str:
        """Return the key of the counters of *bucket*."""
        return f"{self.prefix}count:{bucket}"

    def wake_channel(self, worker: str) -> str:
        """Return the channel (not a key) on which a waiting worker is woken."""
        return f"{self.prefix}bell:{worker}"

    def result_channel(self, name: str) -> str:
        """Return the channel (not a key) on which a process hears of the results that it waits for."""
        return f"{self.prefix}reader:{name}"
