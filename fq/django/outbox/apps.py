"""`OutboxConfig`: the installed app that has the table."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """The app ``fq.django.outbox``, with one migration and no model: only fq reads the table."""

    name = "fq.django.outbox"
    label = "fq_outbox"
    verbose_name = "Outbox of the task queue"  # type: ignore[mutable-override]  # it may be lazy, and is not
