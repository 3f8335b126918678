"""`mount`: the pages of fq, and the routes of tasks, in a Litestar site. Needs Litestar."""

from typing import cast

from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import ASGIApp as LitestarApp
from litestar.types import Receive, Scope, Send
from starlette.types import ASGIApp


def mount(path: str, app: ASGIApp) -> ASGIRouteHandler:
    """
    Return a route handler that serves *app* below *path*. Apps that make links need to know where they are, which Litestar's own mounts do not tell them.

    >>> from litestar import Litestar
    >>> from fq import App
    >>> from fq.web import web
    >>> site = Litestar([mount("/fq", web(App("memory://"), access=lambda request: "read"))])

    Args:
        path: where it is, such as ``"/fq"``.

        app: any ASGI app, such as `TaskRoutes` or ``fq.web.web``.
    """
    inner = cast(LitestarApp, app)

    @asgi(path, is_mount=True, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "").rstrip("/") + "/" + path.strip("/")
        scope["root_path"], scope["path"] = root, root + "/" + scope["path"].strip("/")
        await inner(scope, receive, send)

    return mounted
