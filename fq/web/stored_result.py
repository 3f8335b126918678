"""`result_view`: the stored result of a message, redacted like its arguments."""

from returns.pipeline import is_successful

from fq.web.rows import value_text
from fq.web.site import Site, View
from fq.wire.codec import decode_result


def result_view(site: Site, message_id: str, actor_name: str, shows_values: bool) -> View | None:
    """Return the result of a message; None if none is kept."""
    body = site.app.broker.result(message_id)
    if body is None:
        return None
    result = decode_result(body)
    if is_successful(result):
        return {"succeeded": True, "value": value_text(site, actor_name, "return", result.unwrap(), shows_values)}
    fault = result.failure()
    return {"succeeded": False, "value": f"{fault.type}: {fault.message}"}
