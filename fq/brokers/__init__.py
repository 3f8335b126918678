"""
Brokers: ``memory`` (this process only), ``sqlite`` (a file, the default), ``redis`` (one or more servers).

The protocol is in ``protocol.py``, its records in ``records.py``, and `broker_from_url` picks a broker by its URL. ``limits`` is what brokers keep for
limiters.
"""

from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.brokers.sqlite import SqliteBroker
from fq.brokers.urls import broker_from_url
from fq.brokers.validation import DEAD_TTL_MS

DEAD_TTL = DEAD_TTL_MS  # its former name, removed at 1.0

__all__ = ["DEAD_TTL_MS", "Broker", "MemoryBroker", "SqliteBroker", "broker_from_url"]
