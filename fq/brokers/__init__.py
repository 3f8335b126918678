"""
Brokers: ``memory`` (this process only), ``sqlite`` (a file, the default), ``redis`` (one or more servers), ``postgres`` (a database).

The protocol is in ``protocol.py``, its records in ``records.py``, and `broker_from_url` picks a broker by its URL. ``limits`` is what brokers keep for
limiters, ``planning`` what the two brokers in SQL databases decide, ``listener.py`` how they wait.
"""

from typing import TYPE_CHECKING

from fq.brokers.protocol import Broker
from fq.brokers.urls import broker_from_url
from fq.brokers.validation import DEAD_TTL_MS
from fq.runtime.lazy_names import LazyNames

if TYPE_CHECKING:
    from fq.brokers.memory import MemoryBroker
    from fq.brokers.sqlite import SqliteBroker

DEAD_TTL = DEAD_TTL_MS  # its former name, removed at 1.0

__all__ = ["DEAD_TTL_MS", "Broker", "MemoryBroker", "SqliteBroker", "broker_from_url"]

if not TYPE_CHECKING:  # a program imports only the broker that it uses
    _names = LazyNames(__name__, {"fq.brokers.memory": "MemoryBroker", "fq.brokers.sqlite": "SqliteBroker"})
    __getattr__, __dir__ = _names.get, _names.names
