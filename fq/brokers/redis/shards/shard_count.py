"""`ShardCount`: the number of shards of a namespace, which the first process stores at the server. Mutable: asks once."""

from typing import cast

from fq.brokers.redis.namespace import Namespace
from fq.errors import ConfigError


class ShardCount:
    """Checks that *namespace* has *count* shards, before the first call of a broker; stores the number if there is none."""

    def __init__(self, namespace: Namespace, count: int) -> None:
        self._namespace = namespace
        self._count = count
        self.is_checked = False

    @property
    def key(self) -> str:
        """The key that holds the number."""
        return f"{self._namespace.keys.prefix}shards"

    def check(self) -> None:
        """
        Return if the server has this number.

        Raises:
            ConfigError: it has another one, or messages of a namespace without shards; says which.
        """
        if self.is_checked:
            return
        client, keys = self._namespace.client, self._namespace.keys
        found = cast("bytes | None", client.command("GET", self.key))
        if found is None:
            for key in (keys.messages, keys.letters):
                if client.command("EXISTS", key):
                    raise ConfigError(
                        f"found messages without shards in the namespace {keys.namespace!r}, expected none; "
                        f"let workers without ?shards= finish them, discard its dead letters, or choose another namespace"
                    )
            client.command("SET", self.key, self._count, "NX")
            found = cast(bytes, client.command("GET", self.key))
        if int(found) != self._count:
            raise ConfigError(
                f"found {int(found)} shards in the namespace {keys.namespace!r}, expected shards={self._count}, as the URL says; "
                f"type: ?shards={int(found)}, or choose another namespace, since messages do not move between shards"
            )
        self.is_checked = True
