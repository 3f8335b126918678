"""The URLs of a project that has the admin, but not the pages of fq."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
