"""`Site`: an app with the templates of its pages. `Query`: what a request asks of a page. `Page`: one page."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, urlencode

from attrs import Factory, field, frozen
from jinja2 import Environment, PackageLoader, StrictUndefined

from fq.brokers.records import QueueStats
from fq.brokers.sights import MOST_COUNTED
from fq.errors import FqError
from fq.observe.checkup import HealthReport, diagnose
from fq.observe.diagnosis import Target
from fq.observe.outbox_findings import find_in_source
from fq.web import sparkline, text
from fq.web.access import Permissions
from fq.web.recent import Recent

if TYPE_CHECKING:
    from fq.app.app import App

CHECK_SECONDS = 0.1
"""How long the page of findings lets a broker look for damage of its file; ``fq doctor`` takes longer."""

View: TypeAlias = Mapping[str, object]
"""What a page shows, as JSON values: its template draws them, and a program gets them as they are."""


class NotFound(FqError):
    """The page shows nothing of this name."""


class Forbidden(FqError):
    """The access of a person does not include this."""


@frozen(eq=False)
class Site:
    """The pages of *app*; *queues* and *report* cost the broker most."""

    app: "App"
    templates: Environment = field(repr=False)
    queues: Recent[tuple[QueueStats, ...]] = field(
        init=False, repr=False, default=Factory(lambda self: Recent(self.ask_queues), takes_self=True)
    )
    report: Recent[HealthReport] = field(init=False, repr=False, default=Factory(lambda self: Recent(self.ask_report), takes_self=True))

    def ask_queues(self) -> tuple[QueueStats, ...]:
        """Return the queues as they are now."""
        return self.app.broker.queues(MOST_COUNTED)

    def ask_report(self) -> HealthReport:
        """Return the findings as they are now."""
        return diagnose(
            self.app.broker, Target("APP", self.app.queues), find_in_source(self.app.registry.source, "APP"), check_seconds=CHECK_SECONDS
        )

    def forget(self) -> None:
        """Ask the broker anew: something has been changed."""
        self.queues.forget()
        self.report.forget()


@frozen
class Query:
    """The *params* of a request for a page, and what its sender may do."""

    params: Mapping[str, str]
    permissions: Permissions

    def text(self, name: str) -> str | None:
        """Return the parameter *name*; None if it is missing or empty."""
        return self.params.get(name) or None

    @property
    def shows_values(self) -> bool:
        """Does the sender want to see the values of arguments, and may?"""
        return self.permissions.values and self.params.get("values") == "1"


@frozen
class Page:
    """
    A page.

    Attributes:
        name: the name of its template, too.

        path: where it is.

        title: what the menu says; ``""`` if it is not in the menu.

        view: returns what it shows.

        key: the key that opens it.

        is_live: does it refresh itself?
    """

    name: str
    path: str
    title: str
    view: Callable[[Site, Query], View]
    key: str = ""
    is_live: bool = True


def environment() -> Environment:
    """Return the environment of the templates: what is not markup is escaped."""
    found = Environment(
        loader=PackageLoader("fq.web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "duration": text.duration,
        "number": text.number,
        "things": text.things,
        "memory": text.memory,
        "iso": text.iso,
        "rows": text.rows,
        "first_line": text.first_line,
    }
    found.globals |= {"moment": text.moment, "bars": sparkline.bars, "fields_of": parse_qsl}
    return found


def link(path: str, params: Mapping[str, object]) -> str:
    """
    Return *path* with those of *params* that are not empty.

    >>> link("/messages", {"state": "dead", "queue": ""})
    '/messages?state=dead'
    """
    given = {name: str(value) for name, value in params.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path
