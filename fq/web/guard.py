"""`Guard`: lets no request pass without access, and no POST from another site; adds the headers that keep a page to itself."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fq.runtime.logger import logger
from fq.web.access import AccessCheck, Permissions, basic_login

log = logger("fq.web")

OPEN = ("/livez", "/static/")
"""Paths that anyone may read: they say nothing about the app."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

DENIED = "This page is closed. Open the link that `fq web` printed, or log in.\n"


class Guard:
    """Passes requests with access to *inner*, with the permissions in ``scope["fq.permissions"]``."""

    def __init__(self, inner: ASGIApp, access: AccessCheck, asks_for_login: bool) -> None:
        self._inner, self._access, self._asks_for_login = inner, access, asks_for_login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        request = Request(scope)
        refusal = self._refusal(request)
        await (refusal or self._inner)(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not pass; None if it may."""
        path = own_path(request.scope)
        if path.startswith(OPEN) and request.method in ("GET", "HEAD"):
            return None
        permissions = Permissions.of(self._access(request))
        if permissions is None:
            return self._denied(request)
        if request.method not in ("GET", "HEAD") and not is_same_origin(request):
            log.warning("a %s of %s from another site was refused", request.method, path)
            return PlainTextResponse("This request comes from another site, and was refused.\n", 403)
        request.scope["fq.permissions"] = permissions
        return None

    def _denied(self, request: Request) -> Response:
        status = 403 if basic_login(request) is None and not self._asks_for_login else 401
        headers = {"WWW-Authenticate": 'Basic realm="fq", charset="UTF-8"'} if self._asks_for_login else {}
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"error": DENIED.strip()}, status, headers)
        return PlainTextResponse(DENIED, status, headers)


def own_path(scope: Scope) -> str:
    """Return the path of a request below the place where this app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root and path.startswith(root) else path


def is_same_origin(request: Request) -> bool:
    """
    Does a request that changes something come from a page of this site?

    Browsers say so in ``Sec-Fetch-Site`` or ``Origin``. A client that sends neither must send JSON, which a form of another site cannot.
    """
    headers = request.headers
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    if origin := headers.get("origin"):
        return urlsplit(origin).netloc == headers.get("host", "")
    return headers.get("content-type", "").partition(";")[0].strip() == "application/json"


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending
