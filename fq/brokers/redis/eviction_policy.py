"""Does the server itself delete what fq keeps there? Asked when something is missing, so that the error blames nothing else."""

from fq.brokers.redis import inspection
from fq.brokers.redis.namespace import Namespace
from fq.errors import BrokerError


def eviction_advice(namespace: Namespace) -> str:
    """Return that the server deletes keys when its memory is full, and what to do; nothing if it does not, or does not tell."""
    try:
        policy = inspection.info(namespace).get("maxmemory_policy", "")
    except BrokerError:
        return ""
    if not policy.startswith("allkeys-"):  # others delete nothing, or only keys that have an end anyway
        return ""
    return (
        f"the server's maxmemory-policy is {policy}, so it deletes messages when its memory is full: CONFIG SET maxmemory-policy noeviction"
    )
