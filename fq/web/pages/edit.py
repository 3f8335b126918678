"""Edit: the call of a message in a form, to send it again with other arguments."""

from fq.runtime.fresh_ids import fresh_id
from fq.web.pages.message import body_of
from fq.web.site import Forbidden, NotFound, Page, Query, Site, View
from fq.web.text import as_json


def view(site: Site, query: Query) -> View:
    """Return the arguments of the message whose id is asked for, as JSON."""
    if not query.permissions.values or "edit" not in query.permissions.actions:
        raise Forbidden("edit: your access does not include 'edit' and 'values'")
    message_id = query.text("id") or ""
    record = site.app.message(message_id) if message_id else None
    message = body_of(site, record) if record else None
    source = message or (record if record and not record.left_out else None)
    if source is None:
        raise NotFound(f"no arguments of {message_id} are kept, so they cannot be edited")
    return {
        "message_id": message_id,
        "new_id": fresh_id(site.app.broker.now()),
        "actor_name": source.actor_name,
        "queue_name": source.queue_name,
        "args": as_json(list(source.args)),
        "kwargs": as_json(dict(source.kwargs)),
        "is_declared": source.actor_name in site.app.actors,
    }


EDIT = Page("edit", "/edit", "", view, is_live=False)
