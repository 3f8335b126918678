"""
``fq.django.project:app``: the app of the Django project that ``$DJANGO_SETTINGS_MODULE`` names, with all its actors and tasks. Workers import it.

Importing this module sets up Django, as ``manage.py`` does.
"""

import django
from django.apps import apps

from fq.django.application import project_app
from fq.django.connections import close_before_fork
from fq.django.discovery import discover

if not apps.ready:
    django.setup()

app = project_app()
discover()
close_before_fork()
