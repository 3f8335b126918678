"""`Namespace`: the keys of one namespace and the server that has them, for the parts of the broker that run scripts there. Mutable shell."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from fq.brokers.redis.client import ScriptClient
from fq.brokers.redis.connections import Endpoint
from fq.brokers.redis.keys import Keys
from fq.brokers.redis.script_arguments import Argument, RecordPrefixes, ScriptArguments
from fq.brokers.redis.scripts import script
from fq.brokers.redis.tuning import DEFAULT_TUNING, Tuning
from fq.runtime.process_id import pid


class Namespace:
    """Runs scripts on a namespace; *offset*, ms, is added to the server's clock: for tests only."""

    def __init__(self, endpoint: Endpoint, keys: Keys, patience: float, tuning: Tuning = DEFAULT_TUNING) -> None:
        self.keys = keys
        self.prefixes = RecordPrefixes()
        self.tuning = tuning
        self.client = ScriptClient(endpoint, patience, tuning.probe_seconds)
        self.offset = 0
        self._process = uuid.uuid4().hex[:12]
        self._numbers = count(1)

    def arguments(self, queues: Iterable[str] = ()) -> ScriptArguments:
        """Return the arguments of a call about *queues*, to be filled in."""
        return ScriptArguments(self.keys, self.prefixes, {name: number for number, name in enumerate(dict.fromkeys(queues), 1)})

    def run(
        self, name: str, call: ScriptArguments, arguments: Iterable[Argument] = (), worker: str = "", probe: float | None = None
    ) -> object:
        """Return the reply of the script *name*; raises as `ScriptClient.call` does."""
        keys, all_arguments = call.build(worker, self.offset, arguments)
        return self.client.call(script(name), keys, all_arguments, probe)

    def begin(self, name: str, call: ScriptArguments, arguments: Iterable[Argument] = ()) -> Callable[[], object]:
        """Begin to `run` a script; what is returned must be called, and finishes that."""
        keys, all_arguments = call.build("", self.offset, arguments)
        return self.client.begin(script(name), keys, all_arguments)

    def run_for(self, name: str, queues: Sequence[str], *arguments: Argument, worker: str = "") -> object:
        """Return the reply of the script *name* about *queues*."""
        return self.run(name, self.arguments(queues), arguments, worker)

    def next_number(self) -> str:
        """Return a number for a turn that no other turn has, in this process or one forked from it."""
        return f"{self._process}.{pid()}.{next(self._numbers)}"
