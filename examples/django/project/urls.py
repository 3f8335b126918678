"""The URLs of the project. The pages of fq are under ``/fq/``."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("fq/", include("fq.django.urls")),
    path("", include("shop.urls")),
]
