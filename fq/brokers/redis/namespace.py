"""`Server`: one namespace on one server, for the parts of the broker that run scripts there. Mutable shell."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from fq.brokers.redis.client import PROBE_SECONDS, Line
from fq.brokers.redis.connections import Place
from fq.brokers.redis.keys import Keys
from fq.brokers.redis.script_protocol import Argument, Heads, Sheet
from fq.brokers.redis.scripts import script
from fq.runtime.process_id import pid


class Server:
    """Runs scripts on a namespace; *offset*, ms, is added to the server's clock: for tests only."""

    def __init__(self, place: Place, keys: Keys, patience: float) -> None:
        self.keys = keys
        self.heads = Heads()
        self.line = Line(place, patience)
        self.offset = 0
        self._name = uuid.uuid4().hex[:12]
        self._numbers = count(1)

    def sheet(self, queues: Iterable[str] = ()) -> Sheet:
        """Return a sheet for a call about *queues*."""
        return Sheet(self.keys, self.heads, {name: number for number, name in enumerate(dict.fromkeys(queues), 1)})

    def run(self, name: str, sheet: Sheet, arguments: Iterable[Argument] = (), worker: str = "", probe: float = PROBE_SECONDS) -> object:
        """Return the reply of the script *name*; raises as `Line.call` does."""
        keys, all_arguments = sheet.written(worker, self.offset, arguments)
        return self.line.call(script(name), keys, all_arguments, probe)

    def begin(self, name: str, sheet: Sheet, arguments: Iterable[Argument] = ()) -> Callable[[], object]:
        """Begin to `run` a script; what is returned must be called, and finishes that."""
        keys, all_arguments = sheet.written("", self.offset, arguments)
        return self.line.begin(script(name), keys, all_arguments)

    def run_for(self, name: str, queues: Sequence[str], *arguments: Argument, worker: str = "") -> object:
        """Return the reply of the script *name* about *queues*."""
        return self.run(name, self.sheet(queues), arguments, worker)

    def number(self) -> str:
        """Return a number for a call that no other call has, in this process or one forked from it."""
        return f"{self._name}.{pid()}.{next(self._numbers)}"
