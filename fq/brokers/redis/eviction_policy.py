"""`eviction`: does the server itself delete what fq keeps there? Asked when something is missing, so that nobody else is blamed for it."""

from fq.brokers.redis import inspection
from fq.brokers.redis.namespace import Server
from fq.errors import BrokerError


def blamed(server: Server) -> str:
    """Return what the eviction policy of *server* has to do with a missing key, and what to do; nothing if it deletes no such key, or does not tell."""
    try:
        policy = inspection.info(server).get("maxmemory_policy", "")
    except BrokerError:
        return ""
    if not policy.startswith("allkeys-"):  # others delete nothing, or only keys that have an end anyway
        return ""
    return (
        f"the server's maxmemory-policy is {policy}, so it deletes messages when its memory is full: CONFIG SET maxmemory-policy noeviction"
    )
