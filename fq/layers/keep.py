"""`Keep`: keeps a record of each message that has ended. ``fq.execution.kept_records`` writes the record, ``fq.app.history`` reads it."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, TypeAlias, get_args

from attrs import Attribute, evolve, field, frozen
from returns.pipeline import is_successful

from fq.core.derived_ids import jitter
from fq.core.duration import Duration, to_ms
from fq.core.message import Message
from fq.core.outcome import Arrive, Dead, Effect, Enqueue, KeepRecord, KeptArguments, Outcome, Store
from fq.core.reserved_options import FIRST_DELAY, PARENT, ROOT
from fq.errors import Cancelled, OptionError
from fq.errors.exception_text import is_a
from fq.layers.age_limit import AgeLimit
from fq.layers.callbacks import Callbacks
from fq.layers.group_callbacks import GroupCallbacks
from fq.layers.pipelines import Pipelines
from fq.layers.poison_limit import PoisonLimit
from fq.layers.results import Results
from fq.layers.retries import Retries
from fq.middleware.base import Rule, Step

KeptFailures: TypeAlias = Literal["always", "only", "sampled"]

DEFAULT_KEEP_TTL_MS = 7 * 24 * 60 * 60 * 1000
DEFAULT_KEEP_COUNT = 10_000
"""How long a record is kept by default, ms: 7 days; and how many there are at most, of all actors together."""

_WHOLE = "the record has the final outcome, and what follows from it"


def _ttl_ms(duration: Duration) -> int:
    if ttl := to_ms(duration):
        return ttl
    raise OptionError(f"found {duration!r}, expected a duration from 1 ms")


def _kept_arguments(value: object) -> KeptArguments:
    if isinstance(value, bool) or callable(value):
        return value
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise OptionError(
        f"found {value!r}, expected True for all arguments, a list of the names of parameters, or a function of a name and a value"
    )


def _one_of_kept_failures(_: object, __: "Attribute[KeptFailures]", value: object) -> None:
    if value not in (expected := get_args(KeptFailures)):
        raise OptionError(f"found {value!r}, expected one of {', '.join(map(repr, expected))}")


def _whole_number(least: int) -> Callable[[object, "Attribute[int]", object], None]:
    def check(_: object, __: "Attribute[int]", value: object) -> None:
        if type(value) is not int or value < least:
            raise OptionError(f"found {value!r}, expected a whole number from {least}")

    return check


@frozen
class Keep(Step):
    """
    Keeps a record of each message that has ended: what it was, who ran it when, each error, and what it led to. `App.history` finds it, ``fq ls`` lists it.

    The commit of the final outcome writes the record, so it is there if and only if the message has ended. Without this layer, which is not in the
    default stack, a message that has succeeded leaves nothing but its result. Put it into the stack of the app, or give it to an actor. It costs about
    as much as a stored result: one more record for each message, about 500 bytes. With *sample*, or ``failures="only"``, other messages leave a small
    mark for 10 minutes, so that their state is ``"done"`` and not ``"unknown"``.

    >>> from fq import App, keep
    >>> app = App("memory://")
    >>> @app.actor(keep(redact=["password"]), max_retries=1)
    ... def login(name: str, password: str) -> None:
    ...     raise ValueError(f"no {name} here")
    >>> handle = login.send("ann", "secret")
    >>> app.run_until_idle()
    2
    >>> record = handle.history()
    >>> record.outcome, record.args, [attempt.error.message for attempt in record.attempts]
    ('dead', ('ann', '[redacted]'), ['no ann here', 'no ann here'])

    Attributes:
        ttl: how long a record is kept, ms. Default: 7 days.

        count: how many records are kept, of all actors together; the oldest go first. 0 is any number. Default: 10,000.

        failures: ``"always"``: keep the records of failures, whatever *sample* says. ``"only"``: keep no others. ``"sampled"``: treat them as others.
            Dead letters and expired messages are failures. Default: ``"always"``.

        sample: keep one record in this many. A hash of the id decides, so all runs of a message agree. Default: 1, keep all.

        redact: names of parameters whose values are left out, or True for all. Or a function of the name and the JSON value of an argument that returns
            what is kept in its place. No option of an actor: that has *redact* for logs. Texts of errors are kept as they are. Default: none.
    """

    ttl: int = field(default=DEFAULT_KEEP_TTL_MS, converter=_ttl_ms)
    count: int = field(default=DEFAULT_KEEP_COUNT, validator=_whole_number(0))
    failures: KeptFailures = field(default="always", validator=_one_of_kept_failures)
    sample: int = field(default=1, validator=_whole_number(1))
    redact: KeptArguments = field(default=(), converter=_kept_arguments)

    outside_of: ClassVar[tuple[Rule, ...]] = tuple(
        Rule(kind, _WHOLE) for kind in (GroupCallbacks, Results, Callbacks, Pipelines, AgeLimit, PoisonLimit, Retries)
    )

    @classmethod
    def option_names(cls) -> frozenset[str]:
        """Its fields are options, but for *redact*, the name of an option for logs."""
        return frozenset(("ttl", "count", "failures", "sample"))

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        """Note the delay of a message that is sent for the first time."""
        message = enqueue.message
        if not enqueue.delay or message.received_at:
            return enqueue
        return evolve(enqueue, message=message.with_options(**{FIRST_DELAY: enqueue.delay}))

    def after(self, message: Message, outcome: Outcome) -> Outcome:
        """Keep a record of a message that has ended; note the attempt of one that is retried."""
        whole = self.keeps(message.message_id, outcome) if outcome.final else self.may_keep(message.message_id)
        if not whole and (not outcome.final or _has_result(message, outcome)):
            return outcome
        record = KeepRecord(message, self.ttl, self.count, self.redact, whole)
        effects = [_following(message, effect) for effect in outcome.effects] if whole else outcome.effects
        return Outcome(outcome.result, (record, *effects))

    def keeps(self, message_id: str, outcome: Outcome) -> bool:
        """Is the whole record kept of a message that ended with *outcome*?"""
        if _is_failure(outcome) and self.failures != "sampled":
            return True
        return self.failures != "only" and self.is_sampled(message_id)

    def may_keep(self, message_id: str) -> bool:
        """May a record be kept of a message that has not ended yet?"""
        return self.failures != "sampled" or self.is_sampled(message_id)

    def is_sampled(self, message_id: str) -> bool:
        """Is *message_id* the one in *sample* that is kept?"""
        return self.sample == 1 or jitter("keep", message_id) * self.sample < 1


def _is_failure(outcome: Outcome) -> bool:
    setback = None if is_successful(outcome.result) else outcome.result.failure()
    return isinstance(setback, Dead) and not is_a(setback.error, Cancelled)


def _has_result(message: Message, outcome: Outcome) -> bool:
    return any(isinstance(effect, Store) and effect.message_id == message.message_id for effect in outcome.effects)


def _following(message: Message, effect: Effect) -> Effect:
    """Return *effect* of *message*; what it sends says what it follows."""
    root = message.options.get(ROOT, message.message_id)
    match effect:
        case Enqueue():
            return with_parent(effect, message.message_id, root)
        case Arrive(group) if effect.then:
            return evolve(effect, then=tuple(with_parent(enqueue, group, root) for enqueue in effect.then))
        case _:
            return effect


def with_parent(enqueue: Enqueue, parent: str, root: object) -> Enqueue:
    """Return *enqueue*, whose message says that it follows *parent*, and comes from *root*."""
    return evolve(enqueue, message=enqueue.message.with_options(**{PARENT: parent, ROOT: root}))


def keep(
    *,
    ttl: Duration = DEFAULT_KEEP_TTL_MS,
    count: int = DEFAULT_KEEP_COUNT,
    failures: KeptFailures = "always",
    sample: int = 1,
    redact: bool | Sequence[str] | Callable[[str, object], object] = (),
) -> Keep:
    """Return a `Keep` layer. *ttl*: ms or timedelta."""
    return Keep(ttl=ttl, count=count, failures=failures, sample=sample, redact=redact)
