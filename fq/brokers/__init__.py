"""
Places that keep messages: the protocol is in ``base.py``, the records that pass through it in ``records.py``, and `broker_from_url` picks one by its URL.

Brokers: ``memory`` (this process only), ``sqlite`` (a file, the default), ``redis`` (a server, or several).
"""

from fq.brokers.memory import MemoryBroker
from fq.brokers.protocol import Broker
from fq.brokers.sqlite import SqliteBroker
from fq.brokers.urls import broker_from_url
from fq.brokers.validation import DEAD_TTL_MS

__all__ = ["DEAD_TTL_MS", "Broker", "MemoryBroker", "SqliteBroker", "broker_from_url"]
