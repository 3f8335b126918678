"""
The broker for more than one machine: Redis 6.2 or later, Valkey 7.2 or later.

`broker` is the protocol, one method a call; read it first. What it asks of the server is in ``lua/``, one script a file, `turn.lua` being the heart;
`wire` writes their arguments and reads their replies, `keys` names the keys. `line` keeps connections and repeats calls, `place` finds the server
from a URL or a client; `ear` hears bells, so that waiting never polls; `post_office` gathers what async producers send.
"""

from fq.brokers.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
