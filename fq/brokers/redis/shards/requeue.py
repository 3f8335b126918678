"""
Requeueing dead letters of all shards.

One script in each shard carries out its part of the plan. Groups are opened first: a member that runs again must find its group open. If a process dies
between two scripts, the rest of the letters stay dead, and can be requeued.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from attrs import define, evolve, field

from fq.brokers.parts import parts
from fq.brokers.records import EnqueueOp
from fq.brokers.redis.requeue import MAX_LETTERS, MAX_TRIES, ServerView, carry_out, changed_too_often
from fq.brokers.redis.shards.carriers import carried_followup
from fq.brokers.redis.shards.routing import Routing, grouped
from fq.brokers.redis.shards.shard import Shard
from fq.brokers.requeue import LiveMessage, ReopenedGroup, RequeuePlan, RequeuePlanner

T = TypeVar("T")


@define
class ShardedView:
    """A `RequeueView` of all shards. Mutable: remembers which shard each letter and each message is in."""

    views: Sequence[ServerView]
    routing: Routing
    letters_at: dict[str, int] = field(factory=dict)
    messages_at: dict[str, int] = field(factory=dict)

    def dead_letters(self, message_ids: Sequence[str]) -> Mapping[str, EnqueueOp]:
        return self._found(lambda view: view.dead_letters(message_ids), self.letters_at)

    def live_messages(self, message_ids: Sequence[str]) -> Mapping[str, LiveMessage]:
        return self._found(lambda view: view.live_messages(message_ids), self.messages_at)

    def open_groups(self, groups: Sequence[str]) -> set[str]:
        by_shard = grouped(groups, self.routing.of_name)
        return {group for shard, names in by_shard.items() for group in self.views[shard].open_groups(names)}

    def show_all(self, plan: RequeuePlan) -> None:
        """Look for what *plan* deletes and has not asked about."""
        self.dead_letters([message_id for message_id in plan.deleted_letters if message_id not in self.letters_at])
        self.live_messages([message_id for message_id in plan.taken_messages if message_id not in self.messages_at])

    def _found(self, look: Callable[[ServerView], Mapping[str, T]], places: dict[str, int]) -> dict[str, T]:
        found: dict[str, T] = {}
        for shard, view in enumerate(self.views):
            for message_id, what in look(view).items():
                found[message_id] = what
                places[message_id] = shard
        return found


def requeue(shards: Sequence[Shard], routing: Routing, message_ids: Sequence[str], plan: RequeuePlanner, now: int) -> int:
    """Put dead letters back on their queues at the time *now*, and open the groups that failed with them; return how many there were."""
    return sum(_requeue(shards, routing, part, plan, now) for part in parts(message_ids, MAX_LETTERS))


def _requeue(shards: Sequence[Shard], routing: Routing, message_ids: Sequence[str], plan: RequeuePlanner, now: int) -> int:
    total = 0
    for _ in range(MAX_TRIES):
        view = ShardedView([ServerView(shard.namespace) for shard in shards], routing)
        todo = plan(message_ids, view, now)
        if not todo.deleted_letters:
            return total
        view.show_all(todo)
        is_done = True
        for shard, part in _steps(view, routing, todo):
            count = carry_out(shards[shard].namespace, part, view.views[shard], set(message_ids))
            total += max(0, count)
            if count < 0:
                is_done = False
                break
        if is_done:
            return total
    raise changed_too_often()


def _steps(view: ShardedView, routing: Routing, plan: RequeuePlan) -> Iterable[tuple[int, RequeuePlan]]:
    """Return which shard does what of *plan*, in order; one step for a shard that has to do with all of it."""
    reopened = grouped((_followed(routing, group) for group in plan.reopened), lambda group: routing.of_name(group.group))
    removed = grouped(plan.removed, routing.of_name)
    groups = {
        shard: RequeuePlan(reopened=tuple(reopened.get(shard, ())), removed={name: plan.removed[name] for name in removed.get(shard, ())})
        for shard in {*reopened, *removed}
    }
    enqueues = grouped(plan.enqueues, lambda op: view.letters_at.get(op.message_id, 0))
    letters = grouped(plan.taken_letters, lambda name: view.letters_at.get(name, 0))
    waiting = grouped(plan.taken_messages, lambda name: view.messages_at.get(name, 0))
    messages = {
        shard: RequeuePlan(tuple(enqueues.get(shard, ())), tuple(letters.get(shard, ())), tuple(waiting.get(shard, ())))
        for shard in {*enqueues, *letters, *waiting}
    }
    if len({*groups, *messages}) == 1:
        ((shard, part),) = messages.items()
        return [(shard, evolve(part, reopened=groups[shard].reopened, removed=groups[shard].removed) if shard in groups else part)]
    return [*groups.items(), *messages.items()]


def _followed(routing: Routing, group: ReopenedGroup) -> ReopenedGroup:
    """Return *group*, with carriers in the place of what follows it in other shards."""
    here = routing.of_name(group.group)
    routes = [(routing.of_post(each.op), each) for each in group.then]
    return evolve(group, then=tuple(each if to == here else carried_followup(to, each) for to, each in routes))
