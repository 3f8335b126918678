"""Django's decorator `task`: of Django itself, from 6.0 on, or of the package django-tasks. A project for one version imports it directly."""

from typing import TYPE_CHECKING

import django

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task

__all__ = ["task"]
