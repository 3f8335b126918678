"""The URLs of the web pages: ``path("fq/", include("fq.django.urls"))``. Works with ``wsgi.py`` and with ``asgi.py``."""

from django.urls import path

from fq.django.views import pages

app_name = "fq"
urlpatterns = [path("", pages, name="pages"), path("<path:rest>", pages, name="page")]
