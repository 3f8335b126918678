"""`FqConfig`: fq as an installed app of a Django project, with the label ``fq``."""

from django.apps import AppConfig


class FqConfig(AppConfig):
    """The app ``fq.django``: it imports the modules with tasks, and adds the commands, the checks and the entry in the admin."""

    name = "fq.django"
    label = "fq"
    verbose_name = "Task queue"  # type: ignore[mutable-override]  # it may be lazy, and is not
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the ``tasks`` of all installed apps, in every process of the project, so that each knows all actors."""
        from fq.django.checks import register_checks  # noqa: PLC0415  # it needs the settings
        from fq.django.discovery import discover  # noqa: PLC0415  # as above

        discover()
        register_checks()
