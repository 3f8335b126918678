"""The broker without a store: `MemoryBroker`, in ``broker.py``."""

from fq.brokers.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]
