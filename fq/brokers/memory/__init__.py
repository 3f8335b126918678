"""The broker that keeps everything in this process: `MemoryBroker`, in ``broker.py``."""

from fq.brokers.memory.broker import MemoryBroker

__all__ = ["MemoryBroker"]
