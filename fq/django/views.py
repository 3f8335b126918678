"""`pages`: the view that shows the web pages of the project's app, for those who are logged in and may see them."""

from collections.abc import Callable, Collection, Coroutine
from functools import cache
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.views.decorators.csrf import csrf_exempt

from fq.django.application import project_app
from fq.django.bridge import ASGIApp, answer
from fq.django.settings import read_settings

ACCESS = "fq.access"
"""The key in the scope of a request under which its access is."""

View: TypeAlias = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def without_transaction(view: View) -> View:
    """Return *view*, which ``ATOMIC_REQUESTS`` of no database puts into a transaction: Django refuses to do that with an async view."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


@without_transaction
@csrf_exempt  # the pages themselves refuse what comes from another site
async def pages(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    """Answer with a page. Without a login, go to the login of the admin; without permission, refuse."""
    access = await sync_to_async(access_of)(request)
    if access is None:
        return _refused(request)
    root = request.path.removesuffix(rest).rstrip("/")
    user = getattr(request, "user", None)
    name = SimpleNamespace(username="" if user is None else user.get_username())
    return await answer(site(), request, root, {ACCESS: access, "user": name})


def access_of(request: HttpRequest) -> str | Collection[str] | None:
    """Return what the sender of *request* may do: as ``FQ["ACCESS"]`` says, else as the permissions of the user do."""
    if (check := read_settings().access) is not None:
        return cast("str | Collection[str] | None", check(request))
    user: Any = request.user  # the project may have a class of its own
    if not (user.is_active and user.is_staff and user.has_perm("fq.view_pages")):
        return None
    if user.is_superuser:
        return "all"
    from fq.web.access import ACTIONS  # noqa: PLC0415  # it needs the extra fq[web]

    actions = ACTIONS if user.has_perm("fq.operate_pages") else frozenset[str]()
    return actions | ({"values"} if user.has_perm("fq.see_values") else set[str]())


@cache
def site() -> ASGIApp:
    """Return the pages as an ASGI app."""
    try:
        from fq.web import web  # noqa: PLC0415  # as above
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(f"the web pages need {error.name}: pip install 'fq[django,web]'") from error
    return web(project_app(), access=lambda request: request.scope[ACCESS])


def _refused(request: HttpRequest) -> HttpResponseBase:
    user = getattr(request, "user", None)
    if (
        user is None
        or user.is_authenticated
        or request.method not in ("GET", "HEAD")
        or "text/html" not in request.headers.get("accept", "")
    ):
        raise PermissionDenied
    try:
        login = reverse("admin:login")
    except NoReverseMatch:
        login = resolve_url(settings.LOGIN_URL)
    return redirect_to_login(request.get_full_path(), login)
