"""`diagnose`: asks a broker, and returns its findings and those of ``fq.observe.diagnosis``, for ``fq doctor`` and its page."""

from collections.abc import Callable
from typing import TypeVar

from attrs import frozen
from returns.pipeline import is_successful
from returns.result import Failure, Result, Success

from fq.app.schedules import Schedules
from fq.brokers.findings import DAMAGE_CHECK_SECONDS, Finding, refusal
from fq.brokers.protocol import Broker
from fq.brokers.sights import MOST_COUNTED
from fq.errors import BrokerUnavailable, FqError
from fq.observe.diagnosis import Target, queue_findings, worker_findings
from fq.observe.schedule_findings import find_in_schedules

T = TypeVar("T")


@frozen
class HealthReport:
    """The findings, and whether the broker can be used at all."""

    findings: tuple[Finding, ...]
    is_usable: bool

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        if not self.is_usable:
            return 3
        return int(any(finding.level == "bad" for finding in self.findings))


def diagnose(
    broker: Broker,
    target: Target,
    known: tuple[Finding, ...] = (),
    schedules: Schedules | None = None,
    check_seconds: float = DAMAGE_CHECK_SECONDS,
) -> HealthReport:
    """
    Check *broker* and *schedules*, and return all findings after those already *known*. A part that cannot be checked is a finding, too.

    Look for damage of a file for up to *check_seconds*.
    """
    settings = ask(lambda: broker.diagnose(check_seconds))
    workers = ask(broker.workers, settings)
    queues = ask(lambda: broker.queues(MOST_COUNTED), settings, workers)
    findings = [*known, *settings.value_or(())]
    if is_successful(workers):
        findings += worker_findings(workers.unwrap(), queues.value_or(None), target)
    if is_successful(queues):
        findings += queue_findings(queues.unwrap(), workers.value_or(None), target)
    parts: dict[str, Result[object, FqError]] = {"broker": settings, "workers": workers, "queues": queues}
    if schedules is not None:
        found = ask(lambda: find_in_schedules(schedules, broker.now(), target), settings, workers, queues)
        findings += found.value_or([])
        parts["schedules"] = found
    failures = {what: part.failure() for what, part in parts.items() if not is_successful(part)}
    findings += [refusal(what, failure) for what, failure in _distinct(failures).items()]
    return HealthReport(tuple(findings), len(failures) < len(parts))


def ask(call: Callable[[], T], *before: Result[object, FqError]) -> Result[T, FqError]:
    """Return what *call* returns or raises. A broker that was unavailable *before* is not asked again."""
    for earlier in before:
        if not is_successful(earlier) and isinstance(earlier.failure(), BrokerUnavailable):
            return Failure(earlier.failure())
    try:
        return Success(call())
    except FqError as error:
        return Failure(error)


def _distinct(failures: dict[str, FqError]) -> dict[str, FqError]:
    """Return *failures* without repeated texts."""
    texts = [str(failure) for failure in failures.values()]
    return {what: failure for at, (what, failure) in enumerate(failures.items()) if texts.index(str(failure)) == at}
