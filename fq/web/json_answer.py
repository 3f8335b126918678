"""`Json`: an answer as JSON. Plain ASCII, so that text of messages cannot change a terminal that prints it, and a lone surrogate can be encoded."""

import json

from starlette.responses import JSONResponse


class Json(JSONResponse):
    """An answer as JSON, in which all characters beyond ASCII are escaped."""

    def render(self, content: object) -> bytes:
        """Return *content* as JSON."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")
