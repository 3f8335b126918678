"""An endpoint whose connections fail at a chosen moment, the way networks do: before a command has left, or after the server has done it."""

from collections.abc import Sequence

from redis.exceptions import ConnectionError as NotConnected

from fq.brokers.redis import RedisBroker


class Faulty:
    """Stands in for an `Endpoint`: exchange number *at*, from 0, fails, and the next ones, *times* in all. Mutable: counts."""

    def __init__(self, endpoint: object, at: int, *, replied: bool, times: float = 1) -> None:
        self.name = endpoint.name
        self._endpoint = endpoint
        self._at = at
        self._replied = replied
        self._times = times
        self.exchanges = 0

    def connect(self, within: float | None = None) -> "FaultyConnection":
        return FaultyConnection(self, self._endpoint.connect(within))

    def invalidate(self, error: Exception) -> None:
        self._endpoint.invalidate(error)

    def strikes(self) -> bool:
        self.exchanges += 1
        return self._at < self.exchanges <= self._at + self._times

    @property
    def loses_replies(self) -> bool:
        return self._replied


class FaultyConnection:
    def __init__(self, faulty: Faulty, connection: object) -> None:
        self._faulty = faulty
        self._connection = connection

    def send_packed_command(self, command: Sequence[bytes], check_health: bool = True) -> None:
        if self._faulty.strikes():
            if self._faulty.loses_replies:
                self._connection.send_packed_command(command, check_health=check_health)
                self._connection.read_response(disable_decoding=True)
            raise NotConnected("the network has failed, says the test")
        self._connection.send_packed_command(command, check_health=check_health)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def break_at(broker: RedisBroker, at: int, *, replied: bool, times: float = 1) -> Faulty:
    """
    Let the exchange number *at* of *broker*, counted from now, fail, *times* in all; return what counts them.

    A call over a connection that was kept is repeated once over a new one, even with no patience: it takes two failures to give it up.
    """
    client = broker._namespace.client
    client.close()
    client.endpoint = Faulty(broker._endpoint, at, replied=replied, times=times)
    return client.endpoint


def mend(broker: RedisBroker) -> None:
    broker._namespace.client.close()
    broker._namespace.client.endpoint = broker._endpoint
