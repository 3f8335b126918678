"""
The broker for more than one machine, on Redis 6.2 or Valkey 7.2, or later.

Begin with `broker`: the protocol, one method a call. What it asks of the server is in ``lua/``, one script a file; `turn.lua` is the heart.
`turns`, `sender`, `results` and `inspect` are the four sides of it; `wire` writes arguments and reads replies, `keys` names the keys.
`line` keeps connections and repeats calls, `place` finds the server; `ear` hears when something happens, so that nobody polls.
"""

from fq.brokers.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
