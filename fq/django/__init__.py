"""
fq in a Django project: the extra ``fq[django]``, for Django 5.2 and 6. Put ``"fq.django"`` into ``INSTALLED_APPS``.

``app`` is the `App` of the project, made of the setting ``FQ`` when it is first asked for: ``from fq.django import app`` in your ``tasks.py``. ``FqBackend``
is the backend for Django's own tasks. ``manage.py fq`` has all commands of ``fq``. Start reading at ``fq.django.application``.
"""

from typing import TYPE_CHECKING

from fq.django.connections import DatabaseConnections, database_connections

if TYPE_CHECKING:
    from fq.app.app import App
    from fq.django.backend import FqBackend
    from fq.django.task import FqTask

    app: App

__all__ = ["DatabaseConnections", "FqBackend", "FqTask", "app", "database_connections"]


def __getattr__(name: str) -> object:
    """Return what needs Django's settings, or its Tasks API, and so is made only when it is asked for."""
    if name == "app":
        from fq.django.application import project_app  # noqa: PLC0415  # as the docstring says

        return project_app()
    if name == "FqBackend":
        from fq.django.backend import FqBackend  # noqa: PLC0415  # as above

        return FqBackend
    if name == "FqTask":
        from fq.django.task import FqTask  # noqa: PLC0415  # as above

        return FqTask
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
