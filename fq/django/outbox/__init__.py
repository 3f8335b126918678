"""The outbox of a Django project: put ``fq.django.outbox`` into ``INSTALLED_APPS``, run ``migrate``, and set ``FQ["OUTBOX"]`` to the alias of the database."""
