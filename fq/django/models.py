"""`Pages`: a model without a table. It gives the web pages an entry in the admin, and permissions that a user or a group may have."""

from typing import TYPE_CHECKING, TypeAlias

from django.db import models

if TYPE_CHECKING:
    PagesManager: TypeAlias = models.Manager["Pages"]
    PagesRows: TypeAlias = models.QuerySet["Pages"]
else:  # it has no parameters when it runs
    PagesManager = models.Manager


class NoRows(PagesManager):
    """Finds nothing, and asks no database: ``manage.py dumpdata`` and the admin read every model, and this one has no table."""

    def get_queryset(self) -> "PagesRows":
        """Return no rows."""
        return super().get_queryset().none()


class Pages(models.Model):
    """
    Stands for the pages of ``fq web``.

    A member of staff with ``fq.view_pages`` reads them; with ``fq.operate_pages`` they requeue, cancel, edit, pause and so on; with ``fq.see_values`` they see
    the values of arguments.
    """

    objects = NoRows()

    class Meta:
        """No table, and three permissions."""

        managed = False
        base_manager_name = "objects"
        default_permissions = ("view",)
        permissions = (
            ("operate_pages", "Can requeue, cancel, edit, pause and purge"),
            ("see_values", "Can see the values of arguments and results"),
        )
        verbose_name = "page of fq"
        verbose_name_plural = "pages of fq"

    def __str__(self) -> str:
        return "pages of fq"
