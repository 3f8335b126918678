"""Makes the table ``fq_outbox``."""

from typing import ClassVar

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from fq.outbox import create_statements


def make_table(_: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Make the table."""
    for statement in create_statements(editor.connection.vendor):
        editor.execute(statement)


def drop_table(_: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the table, with the messages that are in it."""
    editor.execute("DROP TABLE fq_outbox")


class Migration(migrations.Migration):
    """The table, as `fq.outbox.create_statements` makes it."""

    operations: ClassVar = [migrations.RunPython(make_table, drop_table)]
