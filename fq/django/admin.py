"""The entry of fq in the admin: a link to the web pages, for those who may see them."""

from typing import TYPE_CHECKING, TypeAlias

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse

from fq.django.models import Pages

if TYPE_CHECKING:
    Base: TypeAlias = admin.ModelAdmin[Pages]
else:  # it has no parameters when it runs
    Base = admin.ModelAdmin


@admin.register(Pages)
class PagesAdmin(Base):
    """Opens the pages, if the project has them in its URLs."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, str] | None = None) -> HttpResponse:
        """Go to the pages."""
        return redirect("fq:pages")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show the entry only if there is something behind it."""
        return is_mounted() and self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is nothing to add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Pages | None = None) -> bool:
        """There is nothing to change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Pages | None = None) -> bool:
        """There is nothing to delete."""
        return False


def is_mounted() -> bool:
    """Are the pages in the URLs of the project?"""
    try:
        reverse("fq:pages")
    except NoReverseMatch:
        return False
    return True
