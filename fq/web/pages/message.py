"""Message: all that is known of one message, and why it is where it is."""

from collections.abc import Iterator

from fq.calls.message_record import MessageRecord
from fq.core.attempts import Attempt
from fq.core.derived_ids import child_id
from fq.core.message import Message
from fq.core.progress import Progress
from fq.core.reserved_options import GROUP, PIPE, RESERVED_PREFIX
from fq.errors import DecodeError
from fq.web.onion import layers_of
from fq.web.replay import replayed
from fq.web.rows import call_text, error_of, message_row, value_text
from fq.web.site import NotFound, Page, Query, Site, View
from fq.web.stored_result import result_view
from fq.wire.codec import decode

MOST_CHILDREN = 10


def view(site: Site, query: Query) -> View:
    """Return the message whose id is asked for."""
    message_id = query.text("id") or ""
    if not message_id:
        raise NotFound("found no id, expected the id of a message: /message?id=...")
    record = site.app.message(message_id)
    result = result_view(site, message_id, record.actor_name if record else "", query.shows_values)
    if record is None and result is None:
        raise NotFound(f"no message {message_id}: it has ended and no record of it is kept, or there never was one")
    shown: dict[str, object] = {"message_id": message_id, "result": result, "shows_values": query.shows_values, "record": None}
    return shown if record is None else shown | _of_record(site, record, query.shows_values)


def _of_record(site: Site, record: MessageRecord, shows_values: bool) -> dict[str, object]:
    message = body_of(site, record)
    is_dead = message is not None and record.outcome == "dead"  # a record is kept, and the letter is there, too
    fault = record.error
    return {
        "record": message_row(site, record, shows_values) | ({"state": "dead"} if is_dead else {}),
        "reason": record.reason,
        "progress": progress_view(site.app.handle(record.message_id).progress() if record.state == "running" else None),
        "call": call_text(site, record, shows_values),
        "arguments": list(_arguments(site, record, shows_values)),
        "timeline": list(_timeline(record)),
        "traceback": fault.traceback if fault else "",
        "layers": layers_of(site, record.actor_name, message),
        "explained": replayed(site, message, fault) if message and fault else "",
        "options": _own_options(message),
        "parent": record.parent_id,
        "root": record.root_id if record.root_id != record.message_id else "",
        "children": list(_children(site, record, message)),
        "in_workflow": message is not None and bool(message.options.keys() & {PIPE, GROUP}),
    }


def progress_view(progress: Progress | None) -> View | None:
    """Return *progress* as JSON."""
    return None if progress is None else {"text": str(progress), "fraction": progress.fraction, "at": progress.at}


def body_of(site: Site, record: MessageRecord) -> Message | None:
    """Return the message itself, if the broker still has it and it can be read."""
    entry = site.app.broker.peek(record.message_id)
    try:
        return None if entry is None else decode(entry.body)
    except DecodeError:
        return None


def _arguments(site: Site, record: MessageRecord, shows_values: bool) -> Iterator[View]:
    actor = site.app.registry.plan(record.actor_name).actor
    names = () if actor is None else actor.signature.positional_names
    for at, value in enumerate(record.args):
        name = names[at] if at < len(names) else f"[{at}]"
        yield {"name": name, "value": value_text(site, record.actor_name, name, value, shows_values)}
    for name, value in record.kwargs.items():
        yield {"name": name, "value": value_text(site, record.actor_name, name, value, shows_values)}


def _timeline(record: MessageRecord) -> Iterator[View]:
    """Yield what has happened, in order."""
    if record.made_at:
        yield {"what": "made", "at": record.made_at, "kind": "note"}
    if record.ready_at > record.made_at:
        yield {"what": "first ready", "at": record.ready_at, "kind": "note"}
    for attempt in record.attempts:
        yield _attempt(attempt)
    if not record.attempts and record.error is not None and record.state in ("delayed", "retrying", "dead"):
        yield {"what": "failed", "at": record.since if record.state == "dead" else 0, "kind": "failed", "error": error_of(record.error)}
    yield {"what": LATEST.get(record.outcome or record.state, record.state), "at": record.since, "kind": record.outcome or record.state}


LATEST = {
    "ready": "ready",
    "running": "claimed",
    "delayed": "due",
    "retrying": "next try",
    "dead": "dead letter",
    "success": "succeeded",
    "finished": "ended",
}


def _attempt(attempt: Attempt) -> View:
    return {
        "what": f"attempt {attempt.number}",
        "at": attempt.started,
        "took": attempt.took,
        "worker": attempt.worker,
        "kind": "lost" if attempt.lost else "failed" if attempt.error else "succeeded",
        "error": error_of(attempt.error),
        "traceback": attempt.error.traceback if attempt.error else "",
    }


def _own_options(message: Message | None) -> list[View]:
    """Return the options that travel with the message, without those of fq."""
    options = message.options if message else {}
    return [{"name": name, "value": repr(value)} for name, value in options.items() if not name.startswith(RESERVED_PREFIX)]


def _children(site: Site, record: MessageRecord, message: Message | None) -> Iterator[View]:
    """Yield the messages that this one led to, as far as they are known."""
    retries = message.options.get("retries", 0) if message else max(0, len(record.attempts) - 1)
    kinds = [("next step", ("pipe",)), ("on success", ("on_success", retries))]
    kinds += [("on failure", ("on_failure", retries)), ("on retry exhausted", ("on_retry_exhausted", retries))]
    kinds += [("sent with its outcome", ("follow", at)) for at in range(MOST_CHILDREN)]
    for kind, path in kinds:
        child = child_id(record.message_id, *path)
        found = site.app.message(child)
        if found is not None:
            yield {"kind": kind, "message_id": child, "actor_name": found.actor_name, "state": found.outcome or found.state}
        elif kind == "sent with its outcome":
            return


MESSAGE = Page("message", "/message", "", view)
