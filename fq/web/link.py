"""`TokenLink`: lets in those who open a link with a token. The link sets a cookie, and the token leaves the address bar."""

import secrets

from attrs import field, frozen
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fq.web.access import Access


@frozen
class TokenLink:
    """A random *token*, and the name of the *cookie* that holds it, one for each port: browsers share cookies between ports."""

    cookie: str
    token: str = field(factory=lambda: secrets.token_urlsafe(32), repr=False)

    def check(self, request: Request) -> Access:
        """Allow everything to who has the token, in the cookie or as ``Authorization: Bearer``."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        found = bearer if scheme.lower() == "bearer" else request.cookies.get(self.cookie, "")
        return "all" if self._is_token(found) else None

    def around(self, inner: ASGIApp) -> ASGIApp:
        """Return *inner* that answers the link itself, too."""

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope) if scope["type"] == "http" else None
            if request is None or not self._is_token(request.query_params.get("token", "")):
                await inner(scope, receive, send)
                return
            rest = request.url.remove_query_params("token")
            path = "/" + rest.path.lstrip("/")  # two slashes would name another host
            answer = RedirectResponse(f"{path}?{rest.query}" if rest.query else path, 303, {"Cache-Control": "no-store"})
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="lax", secure=request.url.scheme == "https")
            await answer(scope, receive, send)

        return asgi

    def _is_token(self, found: str) -> bool:
        return secrets.compare_digest(found.encode(), self.token.encode())
