"""
The broker for more than one machine, on Redis 6.2 or Valkey 7.2, or later.

Begin with `broker`: the protocol, one method a call. The scripts that it runs on the server are in ``lua/``, and ``docs/redis-scripts.md`` lists their
arguments; the heart is ``turn.lua`` with its phases in ``lua/turn/``. `worker_turns`, `sender`, `results` and `inspection` are the four sides of the
broker. `namespace` runs scripts, `script_arguments` and `commit_arguments` write what they take, `stored_records` and `turn_request` read what they
return, `keys` names the keys. `client` keeps connections and repeats calls, `endpoint` finds the server; `subscriber` receives what the server
publishes, so that fq polls nothing.
"""

from fq.brokers.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
