"""The leak checker: every key of a namespace is a known one, with an owner and an end, and all of them agree with each other."""

from collections.abc import Iterator
from urllib.parse import quote, unquote

import redis

from fq.brokers.redis.stored_records import AWAY, SEQUENCE_DIGITS, read_memory

ONCE = {
    "messages": "hash",
    "again": "hash",
    "letters": "hash",
    "leases": "zset",
    "workers": "hash",
    "queues": "set",
    "paused": "set",
    "waiting": "zset",
    "cancelled": "zset",
    "holders": "hash",
    "unique": "hash",
    "marks": "hash",
    "listed": "zset",
    "ends": "zset",
}
PER_QUEUE = {"ready": "zset", "delayed": "zset", "dead": "zset", "claimed": "hash"}
WITH_TTL = {"result": "string", "group": "hash", "followups": "hash", "held": "hash", "sent": "string", "count": "hash"}

LIMITS = ("hash", "zset", "stream")
"""What is kept of a limit or a barrier; all of it has an end."""


def leaks(client: redis.Redis, namespace: str = "fq") -> list[str]:
    """Return what is wrong, one sentence each; nothing is the good answer."""
    return list(_leaks(client, f"{{{namespace}}}:"))


def _leaks(client: redis.Redis, prefix: str) -> Iterator[str]:
    keys = [key.decode() for key in client.keys(prefix.replace("{", "\\{") + "*")]
    names = {key: key.removeprefix(prefix) for key in keys}
    for key, name in names.items():
        kind = name.partition(":")[0]
        expected = (ONCE if ":" not in name else PER_QUEUE | WITH_TTL).get(kind)
        found = client.type(key).decode()
        if found == "none" and kind in (*WITH_TTL, "limit"):
            continue  # its end came just now
        if kind == "limit" and found in LIMITS:
            expected = found
        if expected != found:
            yield f"{key} is a {found}, expected {expected or 'no such key'}"
        if (kind in (*WITH_TTL, "limit") or name == "waiting") and client.pttl(key) == -1:
            yield f"{key} has no end"
    yield from _lost_messages(client, prefix, list(names.values()))
    yield from _lost_letters(client, prefix, list(names.values()))
    yield from _lost_claims(client, prefix, list(names.values()))
    yield from _lost_keys(client, prefix)
    yield from _lost_marks(client, prefix)


def _locations(client: redis.Redis, prefix: str, names: list[str]) -> Iterator[tuple[bytes, str]]:
    for name in names:
        kind = name.partition(":")[0]
        if kind == "ready":
            yield from ((member[SEQUENCE_DIGITS:], name) for member in client.zrange(prefix + name, 0, -1))
        elif kind == "delayed":
            yield from ((member.partition(b"\0")[2], name) for member in client.zrange(prefix + name, 0, -1))
        elif kind == "claimed":
            yield from ((id_, name) for id_ in client.hkeys(prefix + name) if id_)


def _lost_messages(client: redis.Redis, prefix: str, names: list[str]) -> Iterator[str]:
    messages = client.hgetall(prefix + "messages")
    locations: dict[bytes, str] = {}
    for id_, location in _locations(client, prefix, names):
        if id_ in locations:
            yield f"{id_!r} is in {location} and in {locations[id_]}"
        if id_ not in messages:
            yield f"{id_!r} is in {location} but there is no message"
        elif messages[id_][SEQUENCE_DIGITS:].split(b"\0")[1].decode() != unquote(location.split(":")[1]):
            yield f"{id_!r} is in {location} but belongs elsewhere"
        locations[id_] = location
    for id_ in messages.keys() - locations.keys():
        yield f"{id_!r} is nowhere"
    for id_ in client.hkeys(prefix + "again"):
        if id_ not in messages:
            yield f"{id_!r} is known from before but there is no message"
    for mark in client.zrange(prefix + "cancelled", 0, -1):
        holder, _, id_ = mark.partition(b"\0")
        if id_ not in messages or (holder and not locations[id_].endswith(f":{holder.decode()}")):
            yield f"{mark!r} is cancelled but not there"


def _lost_letters(client: redis.Redis, prefix: str, names: list[str]) -> Iterator[str]:
    letters = client.hgetall(prefix + "letters")
    listed = {id_: name for name in names if name.startswith("dead:") for id_ in client.zrange(prefix + name, 0, -1)}
    for id_ in letters.keys() ^ listed.keys():
        yield f"the dead letter {id_!r} is listed {listed.get(id_)} but kept {letters.get(id_)}"


def _lost_claims(client: redis.Redis, prefix: str, names: list[str]) -> Iterator[str]:
    leases = set(client.zrange(prefix + "leases", 0, -1))
    workers = client.hgetall(prefix + "workers")
    for worker in leases ^ workers.keys():
        yield f"the worker {worker!r} has a lease or a memory, not both"
    for name in names:
        if name.startswith("claimed:"):
            _, queue, worker = name.split(":", 2)
            if unquote(queue) not in read_memory(workers.get(worker.encode())).queues:
                yield f"{name} has no worker that will be missed"


def _lost_keys(client: redis.Redis, prefix: str) -> Iterator[str]:
    messages, holders = client.hgetall(prefix + "messages"), client.hgetall(prefix + "holders")
    ends = dict(client.zrange(prefix + "ends", 0, -1, withscores=True))
    held: dict[bytes, bytes] = {}
    for key, text in client.hgetall(prefix + "unique").items():
        holder, _, window_end, is_held, aside = text.split(b"\0")
        if is_held == b"1":
            held[holder] = key
        elif ends.get(b"k" + key) != float(window_end):
            yield f"the unique key {key!r} is held by no message and has no end"
        if aside:
            held[aside] = key
            if is_held != b"1":
                yield f"{aside!r} is put aside for the unique key {key!r}, which no message holds"
    for id_ in held.keys() ^ holders.keys():
        yield f"{id_!r} has the unique key {held.get(id_)!r}, but its entry is {holders.get(id_)!r}"
    for id_ in holders.keys() - messages.keys():
        yield f"{id_!r} has a unique key but there is no message"
    for id_ in held.keys() & holders.keys():
        if holders[id_].split(b"\0")[1] != held[id_]:
            yield f"{id_!r} has the unique key {held[id_]!r}, but its entry is {holders[id_]!r}"
        if id_ in messages and holders[id_].split(b"\0")[2].decode() != prefix + "ready:" + quote(_queue_of(messages[id_]), safe=""):
            yield f"{id_!r} has moved, but its entry is {holders[id_]!r}"
    for score, member in _delayed(client, prefix):
        id_ = member.partition(b"\0")[2]
        is_aside = id_ in held and client.hget(prefix + "unique", held[id_]).endswith(b"\0" + id_)
        if (score == AWAY) != is_aside:
            yield f"{id_!r} waits until {score}, but put aside for a unique key is {is_aside}"


def _queue_of(record: bytes) -> str:
    return record[SEQUENCE_DIGITS:].split(b"\0")[1].decode()


def _delayed(client: redis.Redis, prefix: str) -> Iterator[tuple[float, bytes]]:
    for key in client.keys(prefix.replace("{", "\\{") + "delayed:*"):
        yield from ((score, member) for member, score in client.zrange(key, 0, -1, withscores=True))


def _lost_marks(client: redis.Redis, prefix: str) -> Iterator[str]:
    marks = client.hgetall(prefix + "marks")
    keys = client.hkeys(prefix + "unique")
    listed: set[bytes] = set(client.zrange(prefix + "listed", 0, -1))
    ends = dict(client.zrange(prefix + "ends", 0, -1, withscores=True))
    expected: set[bytes] = set()
    for key, text in marks.items():
        until, index, order, _ = text.split(b"\0", 3)
        if index:
            expected.add(b"%b\0%016d\0%b" % (index, int(order), key))
        if float(until) != ends.get(b"m" + key, 0):
            yield f"the mark {key!r} ends at {until!r}, but is listed to end at {ends.get(b'm' + key)}"
    for member in listed ^ expected:
        yield f"{member!r} is listed in an index or kept as a mark, not both"
    for member in ends:
        if member[1:] not in (marks if member[:1] == b"m" else keys):
            yield f"{member!r} has an end, but there is no such mark or unique key"
