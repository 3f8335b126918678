"""docs/redis-scripts.md is true: what Python sends is what it lists for each script, and the Lua side reads it by the same names."""

import re
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files

import pytest
import redis
from attrs import define, field

from fq.brokers.records import ACK, ArriveOp, Bury, ClaimRequest, Commit, DeferredEnqueue, EnqueueOp, StoreResultOp
from fq.brokers.redis import RedisBroker
from fq.brokers.redis.keys import FIXED_KEYS
from fq.brokers.redis.scripts import LIBRARIES, OWN_LIBRARIES, STANDALONE, Script
from fq.brokers.redis.turn_request import TurnHeader
from fq.brokers.requeue import ReopenedGroup, RequeuePlan, RequeueView
from fq.core.fault import Fault
from tests.brokers.builders import enqueue_op
from tests.brokers.redis.script_grammar import Reader, Section, leaf_names, sections
from tests.brokers.redis.test_key_table import everything

LUA = files("fq") / "brokers" / "redis" / "lua"


@define
class Recorder:
    """Notes every script that *broker* calls. Mutable."""

    calls: list[tuple[str, list[str], list[str]]] = field(factory=list)

    def watch(self, broker: RedisBroker) -> None:
        client = broker._namespace.client
        client.begin, client.call = self.recording(client.begin), self.recording(client.call)

    def recording(self, call: Callable[..., object]) -> Callable[..., object]:
        def recorded(script: Script, keys: Sequence[str], arguments: Sequence[object], *probe: float) -> object:
            words = [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in arguments]
            self.calls.append((script.name, list(keys), words))
            return call(script, keys, arguments, *probe)

        return recorded


def workflow(broker: RedisBroker) -> None:
    """Let a group begin, whose follow-up is cancelled, and end, with all operations of a commit."""
    broker.enqueue([enqueue_op("first", "w"), enqueue_op("second", "w")])
    first, second = broker.turn((), ClaimRequest("w", ("w",), 2)).deliveries
    then = (DeferredEnqueue(enqueue_op("then", "w"), b"[", b"]"),)
    child = EnqueueOp("child", "w", "act", 0, 0, b"{}", continues=True)
    begins = (StoreResultOp("first", b"1", 1_000, "over"), ArriveOp("over", 0, 2, b"1", then, 60_000), child, enqueue_op("beside", "else"))
    broker.turn((Commit("first", "w", first.token, ACK, begins),), ClaimRequest("w", ("w",), 0))
    broker.cancel_all((), ("over",))
    ends = (StoreResultOp("else", b"2", 1_000), ArriveOp("over", 1, 2, b"2", (), 60_000))
    broker.turn((Commit("second", "w", second.token, ACK, ends),), ClaimRequest("w", ("w",), 0))


def foreign_and_moved(broker: RedisBroker, client: redis.Redis) -> None:
    """Let a worker claim what is no message, and a dead letter have a later one in another queue."""
    client.zadd("{fq}:ready:q", {b"0" * 16 + b"junk": 0})
    client.hset("{fq}:messages", "junk", b"junk")
    client.hset("{fq}:letters", "junk", b"1\0E\0{}\x000000000000000000" + b"0\0elsewhere\0\0junk")
    broker.turn((), ClaimRequest("w", ("q",), 10))
    broker.ids_with_results(["a", "b"])
    client.flushdb()


def requeue_with_groups(broker: RedisBroker) -> None:
    """Carry out a plan with all that a plan can say; what it says need not make sense."""

    def plan(message_ids: Iterable[str], view: RequeueView, now: int) -> RequeuePlan:
        (op,) = view.dead_letters(tuple(message_ids)).values()
        view.live_messages(("waits",))
        then = (DeferredEnqueue(enqueue_op("after", "w"), b"[", b"]"),)
        return RequeuePlan((op,), (), ("waits",), (ReopenedGroup("over", {0: b"1"}, then),), {"open": {0, 1}})

    broker.enqueue([enqueue_op("dies", "w"), enqueue_op("waits", "w")])
    (delivery, *_) = broker.turn((), ClaimRequest("w", ("w",), 1)).deliveries
    broker.turn((Commit(delivery.message_id, "w", delivery.token, Bury(Fault("E", "m"))),), ClaimRequest("w", ("w",), 0))
    assert broker.requeue([delivery.message_id], plan) == 1


def recorded_calls(broker: RedisBroker, client: redis.Redis) -> list[tuple[str, list[str], list[str]]]:
    recorder = Recorder()
    recorder.watch(broker)
    everything(broker, client)
    client.flushdb()
    workflow(broker)
    client.flushdb()
    requeue_with_groups(broker)
    foreign_and_moved(broker, client)
    return recorder.calls


def check(section: Section, keys: Sequence[str], arguments: Sequence[str], *, standalone: bool) -> None:
    queues = 0 if standalone else int(arguments[1])
    extra_keys = keys if standalone else keys[len(FIXED_KEYS) + 4 * queues :]
    reader = Reader(arguments if standalone else arguments[2 + queues :], queues, len(extra_keys))
    reader.read(section.fields)
    kinds = {key.removeprefix("{fq}:").partition(":")[0] for key in extra_keys}

    assert reader.at == len(reader.arguments), "arguments are left over"
    assert kinds <= section.extra_keys


def test_what_python_sends_is_what_the_docs_list(connect: Callable[..., RedisBroker], client: redis.Redis) -> None:
    found, used = sections(), {}
    calls = recorded_calls(connect(), client)
    for name, keys, arguments in calls:
        if name in found:  # limits have scripts of their own
            check(found[name], keys, arguments, standalone=name in STANDALONE)
            start = 0 if name in STANDALONE else len(FIXED_KEYS) + 4 * int(arguments[1])
            used.setdefault(name, set()).update(key.removeprefix("{fq}:").partition(":")[0] for key in keys[start:])

    assert used.keys() == found.keys(), "a script of the docs was not called"
    assert used == {name: section.extra_keys for name, section in found.items()}


def test_the_docs_list_every_script() -> None:
    libraries = {*LIBRARIES, *(part for parts in OWN_LIBRARIES.values() for part in parts)}
    scripts = {file.name.removesuffix(".lua") for file in LUA.iterdir() if file.name.endswith(".lua")} - libraries

    assert sections().keys() == scripts


def test_python_and_lua_have_the_header_of_a_turn_in_the_order_of_the_docs() -> None:
    listed = [field.name for field in sections()["turn"].fields]
    read = re.findall(r"^header\.(\w+) = next_", (LUA / "turn" / "arguments.lua").read_text(encoding="utf-8"), re.MULTILINE)

    assert list(TurnHeader._fields) == read == listed[: len(read)]


@pytest.mark.parametrize("name", sorted(sections()))
def test_a_script_calls_its_arguments_what_the_docs_call_them(name: str) -> None:
    parts = [name, *OWN_LIBRARIES.get(name, ())]
    text = "".join((LUA / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    singular = {field.name for field in sections()[name].fields if not field.children and "×" not in field.kind}

    assert {each for each in singular if not re.search(rf"\b{each}\b", text)} == set()
    assert len(set(leaf_names(sections()[name].fields))) >= len(singular)
