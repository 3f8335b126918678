"""
What a broker keeps for limiters. The limiters themselves are in ``fq.limits``.

In reading order: ``policy.py``, the decisions, as pure functions; ``store.py``, the protocol of a store; ``tables.py`` and ``local_store.py``, the store
in SQLite and in memory. The store on Redis is ``fq.brokers.redis.limit_store``.
"""
