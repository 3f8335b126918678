"""How an action arrives: a POST of a form or of JSON, confirmed by a page that says how many things it changes."""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlencode

from attrs import evolve, field, frozen
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fq.brokers.sights import has_more
from fq.errors import FqError, OptionError
from fq.web.access import who_asks
from fq.web.actions import CHANGES, perform
from fq.web.answers import answer_error, context, wants_json
from fq.web.edited import send_again
from fq.web.json_answer import Json
from fq.web.search import Wanted, search
from fq.web.site import Forbidden, Page, Query, Site, link
from fq.web.text import natural

MOST_BODY = 1_000_000
"""How many bytes a request may have."""

MOST_CHANGED = 10_000
"""How many messages one request changes, at most. The page then says that there are more."""

MOST_CALLS = 11
"""How many calls of the broker find the messages that an order changes, each of which looks at 1,000. The page then offers to go on."""

WANTED = ("state", "queue", "actor", "error", "tag", "argument")


@frozen
class Order:
    """
    What a person has ordered.

    Attributes:
        action: its name.

        names: the things to change, by name; or, with *all_matching*, all messages that fit its *fields*.

        groups: the groups of a workflow that is cancelled.

        until: with *all_matching*: leave dead letters alone that died later, ms since the epoch.

        most: with *all_matching*: change no more messages than this, the number that the person has confirmed.

        after: with *all_matching*: go on after this place, where the order before has ended.

        is_confirmed: has the person confirmed it?

        page, query: the page to go back to.

        fields: all fields of the form.
    """

    action: str
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    all_matching: bool = False
    until: int = 0
    most: int = MOST_CHANGED
    after: str = ""
    is_confirmed: bool = False
    page: str = "overview"
    query: str = ""
    fields: Mapping[str, str] = field(factory=dict)


async def read_order(request: Request) -> Order:
    """
    Return the order in *request*, a form or JSON: ``{"action": "requeue", "id": ["..."]}`` or ``{"action": "requeue", "all": 1, "state": "dead"}``.

    Raises:
        OptionError: a body that cannot be read.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BODY:
            raise OptionError(f"found a request of more than {MOST_BODY} bytes")
    is_json = "application/json" in request.headers.get("content-type", "")
    try:
        pairs = list(_json_pairs(json.loads(body)) if is_json else parse_qsl(body.decode(), keep_blank_values=True))
    except (ValueError, RecursionError):
        raise OptionError("found a body that is neither a form nor a JSON object") from None
    fields = {name: value for name, value in pairs if name not in ("id", "group")}
    return Order(
        action=fields.get("action", ""),
        names=tuple(value for name, value in pairs if name == "id" and value),
        groups=tuple(value for name, value in pairs if name == "group" and value),
        all_matching=fields.get("all") == "1",
        until=natural(fields.get("until", ""), 0),
        most=min(MOST_CHANGED, natural(fields.get("most", ""), MOST_CHANGED)),
        after=fields.get("after", ""),
        is_confirmed=fields.get("confirmed") == "1",
        page=fields.get("page", "overview"),
        query=fields.get("query", ""),
        fields=fields,
    )


def _json_pairs(given: object) -> Iterator[tuple[str, str]]:
    if not isinstance(given, dict):
        raise ValueError(given)  # noqa: TRY004  # what any other unreadable body raises
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            text = "1" if one is True else str(one)
            text.encode()  # a lone surrogate cannot be in an answer
            yield name, text


async def act(site: Site, pages: tuple[Page, ...], request: Request) -> Response:
    """Carry out the order in *request*, or ask for its confirmation."""
    try:
        order = await read_order(request)
        _check(order, request)
        return await run_in_threadpool(_carry_out, site, pages, request, order)
    except FqError as error:
        return answer_error(site, pages, request, error)


def _check(order: Order, request: Request) -> None:
    if order.action != "edit" and order.action not in CHANGES:
        raise OptionError(f"action: found {order.action!r}, expected one of edit, {', '.join(CHANGES)}")
    if order.action not in request.scope["fq.permissions"].actions:
        raise Forbidden(f"your access does not include {order.action!r}")
    if not order.names and (order.action == "edit" or not order.all_matching):
        raise OptionError("nothing is chosen: tick at least one message")


def _carry_out(site: Site, pages: tuple[Page, ...], request: Request, order: Order) -> Response:
    who = who_asks(request)
    if order.action == "edit":
        if not request.scope["fq.permissions"].values:
            raise Forbidden("your access does not include 'values'")
        given = order.fields
        sent = send_again(site.app, who, order.names[0], given.get("args", "[]"), given.get("kwargs", "{}"), given.get("new_id", ""))
        return _done(pages, request, evolve(order, page="message", query=f"id={sent}"), 1, "")
    order = order if order.until else evolve(order, until=site.app.broker.now())
    found = targets(site, request, order)
    if not order.is_confirmed and (order.all_matching or len(found.names) > 1 or CHANGES[order.action].asks):
        return _ask(site, pages, request, order, found)
    return _done(pages, request, order, _perform(site, who, order, found.names), found.after)


def _perform(site: Site, who: str, order: Order, names: tuple[str, ...]) -> int:
    try:
        return perform(site.app, who, order.action, names, order.groups)
    finally:
        site.forget()


@frozen
class Targets:
    """What an order changes: things of these *names*. More of them may come *after* this place; ``""`` if not. *looked_at* messages were looked at."""

    names: tuple[str, ...]
    after: str = ""
    looked_at: int = 0


def targets(site: Site, request: Request, order: Order) -> Targets:
    """Return what *order* changes."""
    if not order.all_matching:
        return Targets(order.names)
    wanted = Wanted.of(Query(order.fields, request.scope["fq.permissions"]))
    if wanted.state == "finished":
        raise OptionError("state: found 'finished', and messages that have ended do not change")
    wanted = evolve(wanted, until=order.until) if wanted.state == "dead" else wanted
    found = search(site, wanted, order.after, max(1, order.most), MOST_CALLS)
    return Targets(tuple(record.message_id for record in found.records), found.after, found.looked_at)


def _ask(site: Site, pages: tuple[Page, ...], request: Request, order: Order, found: Targets) -> Response:
    """Return the page that asks for a confirmation."""
    count = len(found.names)
    view = {"action": order.action, "count": count, "more": found.after != "", "until": order.until, "names": list(order.names)}
    view |= {"looked_at": found.looked_at, "after": order.after, "next": found.after}
    if order.action == "purge":
        queues = [queue for queue in site.ask_queues() if queue.queue_name in found.names]
        view["messages"] = sum(queue.ready + queue.delayed for queue in queues)
        view["messages_are_more"] = has_more(queues, "ready", "delayed")
    if wants_json(request):
        return Json(view | {"error": f'this changes {count} things: send "confirmed": 1, too'}, 409)
    page = Page("confirm", request.url.path, "", lambda *_: {}, is_live=False)
    values = context(site, page, pages, request, view) | {"change": CHANGES[order.action], "order": order, "wanted": _wanted(order)}
    return HTMLResponse(site.templates.get_template("confirm.html").render(values))


def _wanted(order: Order) -> Mapping[str, str]:
    return {name: order.fields[name] for name in WANTED if order.fields.get(name)} if order.all_matching else {}


def _done(pages: tuple[Page, ...], request: Request, order: Order, count: int, after: str) -> Response:
    """
    Return the answer after *count* things were changed: the page that the person came from, with a note.

    There, a button goes on with what comes *after*, unless that is ``""``.
    """
    if wants_json(request):
        return Json({"action": order.action, "changed": count, "more": after != "", "after": after, "query": order.query})
    path = next((page.path for page in pages if page.name == order.page), "/")
    kept = {name: value for name, value in parse_qsl(order.query) if name not in ("done", "count", "more", "live", "after", "seen")}
    more = urlencode({**_wanted(order), "until": order.until, "after": after}) if after else ""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return RedirectResponse(link(root + path, kept | {"done": order.action, "count": count, "more": more}), 303)
