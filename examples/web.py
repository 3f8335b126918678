"""
The pages of an app, mounted under ``/fq`` in an ASGI app of your own, which says who may do what.

``uvicorn examples.web:site`` serves it; open http://127.0.0.1:8000/login/ann and then http://127.0.0.1:8000/fq/.
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route

from fq import App
from fq.web import Access, web

app = App("memory://")

ROLES: dict[str, Access] = {"ann": "all", "bob": {"requeue", "run_now"}, "eve": "read"}
"""What each person may do. Your own app asks its database."""


@app.actor(max_retries=0, queue="mail")
def send_mail(to: str) -> None:
    """Fail, so that there is something to see."""
    raise ConnectionError(f"no server for {to.rpartition('@')[2]}")


def access(request: Request) -> Access:
    """Return what the sender of *request* may do, by the cookie that `login` has set. A real app signs it."""
    return ROLES.get(request.cookies.get("name", ""))


async def login(request: Request) -> Response:
    """Log a person in, without a password: this is an example."""
    answer = RedirectResponse("/fq/")
    answer.set_cookie("name", request.path_params["name"], httponly=True, samesite="lax")
    return answer


site = Starlette(routes=[Route("/login/{name}", login), Mount("/fq", web(app, access=access))])
