"""`Shard`: a broker of one shard, and `ProcessHub`, what all shards of a broker share in one process. Mutable, like the broker."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import cast

from fq.brokers.redis.broker import RedisBroker
from fq.brokers.redis.handed_over import read_handed
from fq.brokers.redis.keys import Keys
from fq.brokers.redis.namespace import Namespace
from fq.brokers.redis.process_state import ProcessState
from fq.brokers.redis.results import ResultReader
from fq.brokers.redis.shards.carriers import OUTBOX
from fq.brokers.redis.shards.routing import grouped
from fq.brokers.redis.worker_turns import WorkerTurns
from fq.runtime.process_id import pid


class ShardKeys(Keys):
    """The keys of one shard of the namespace *base*. Its workers are woken on the channels of *base*, so they listen on one for all shards."""

    def __init__(self, namespace: str, base: Keys) -> None:
        super().__init__(namespace)
        self._base = base

    def wake_channel(self, worker: str) -> str:
        """Return the channel on which a waiting worker is woken."""
        return self._base.wake_channel(worker)


class ShardedResults(ResultReader):
    """Reads and awaits the results of all shards, over one channel; *shard_of* says where the result of a message is."""

    def __init__(self, hub: "ProcessHub", namespace: Namespace, shards: Sequence[Namespace], shard_of: Callable[[str], int]) -> None:
        super().__init__(namespace, hub.is_subscribed, hub.subscribe)
        self._shard_of = shard_of
        self._readers = [ResultReader(shard, hub.is_subscribed, hub.subscribe) for shard in shards]
        for reader in self._readers:
            reader.channel = self.channel

    def get(self, message_id: str) -> bytes | None:
        """Return the result kept for *message_id*, None if there is none."""
        return self._readers[self._shard_of(message_id)].get(message_id)

    def ids_with_results(self, message_ids: Sequence[str]) -> set[str]:
        """Return those of *message_ids* of which a result is kept."""
        by_shard = grouped(message_ids, self._shard_of)
        return {found for shard, names in by_shard.items() for found in self._readers[shard].ids_with_results(names)}

    def _find(self, waits: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
        for shard, names in grouped(waits, self._shard_of).items():
            yield from self._readers[shard]._find({name: waits[name] for name in names})


class ProcessHub(ProcessState):
    """What the shards of a broker share in one process: it listens to the server for all of them, and has the state of each."""

    def __init__(self, namespace: Namespace, dead_ttl: int, shards: Sequence[Namespace], shard_of: Callable[[str], int]) -> None:
        super().__init__(namespace, dead_ttl)
        self.results = ShardedResults(self, namespace, shards, shard_of)
        self.states = [ShardState(shard, dead_ttl, self) for shard in shards]
        self._shard_of = shard_of
        self._by_key = {shard.keys.messages: [state] for shard, state in zip(shards, self.states, strict=True)}

    def _hand_over(self, worker: str, text: bytes) -> None:
        """Give what a shard has claimed for *worker*, which waits, to the worker's side of that shard."""
        self.states[self._shard_of(read_handed(text).message_id)].turns.handed.receive(worker, text)

    def _note_wake(self, worker: str, messages_key: str) -> None:
        for state in self._by_key.get(messages_key, self.states):
            state.turns.registrations.note_wake(worker)

    def _on_reconnect(self) -> None:
        for state in self.states:
            state.turns.forget_registrations()
        super()._on_reconnect()


class ShardState(ProcessState):
    """What a shard has in one process: it waits and listens by its *hub*."""

    def __init__(self, namespace: Namespace, dead_ttl: int, hub: ProcessHub) -> None:
        super().__init__(namespace, dead_ttl)
        self.signal = hub.signal
        self.turns = WorkerTurns(namespace, hub.signal, dead_ttl)
        self._hub = hub

    def is_subscribed(self, channel: str) -> bool:
        """Return whether what is published on *channel* arrives here."""
        return self._hub.is_subscribed(channel)

    def subscribe(self, channel: str, within: float | None = None) -> None:
        """Return once *channel* is subscribed to; raises as `ProcessState.subscribe` does."""
        self._hub.subscribe(channel, within)


class Shard(RedisBroker):
    """Number *number* of the shards of the namespace *base*; *hub* returns what they share in this process. The other arguments are those of `RedisBroker`."""

    def __init__(self, number: int, base: Keys, hub: Callable[[], ProcessHub], **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]  # the broker checks them
        self.number = number
        self._hub = hub
        self._namespace.keys = ShardKeys(self._namespace.keys.namespace, base)

    @property
    def namespace(self) -> Namespace:
        """The keys of this shard, and the server that has them."""
        return self._namespace

    @property
    def _state(self) -> ShardState:
        return self._hub().states[self.number]

    @property
    def turns(self) -> WorkerTurns:
        """The worker's side of this shard."""
        return self._state.turns

    def release_messages(self, worker: str, interrupted: Mapping[str, str], counted: Collection[str] | None) -> int:
        """`release`, but carriers are not counted."""
        claimed = self._namespace.keys.claimed(OUTBOX, worker)
        carriers = [each for each in cast(list[bytes], self._namespace.client.command("HKEYS", claimed)) if each]
        return max(0, self.release(worker, interrupted, counted) - len(carriers))

    def close(self) -> None:
        """Close the connections; the hub is closed by itself."""
        self._state.close()
        self._namespace.client.close()


class RootBroker(RedisBroker):
    """The namespace that is sharded: it holds the number of shards, tells the time, and listens for all of them."""

    _hub: ProcessHub | None = None

    @property
    def namespace(self) -> Namespace:
        """Its keys, and the server that has them."""
        return self._namespace

    def make_hub(self, shards: Sequence[Namespace], shard_of: Callable[[str], int]) -> None:
        """Make what *shards* share, here and in each child; *shard_of* says where the result of a message is."""
        self._shards, self._shard_of = shards, shard_of
        self._hub = ProcessHub(self._namespace, self._dead_ttl, shards, shard_of)

    @property
    def hub(self) -> ProcessHub:
        """What all shards share in this process."""
        if self._hub is None or self._hub.pid != pid():
            self._hub = ProcessHub(self._namespace, self._dead_ttl, self._shards, self._shard_of)
        return self._hub

    @property
    def _state(self) -> ProcessHub:
        return self.hub
