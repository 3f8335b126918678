"""`Order`: what a customer has ordered."""

from decimal import Decimal

from django.db import models


class Order(models.Model):
    """An order. The worker sets *confirmed*."""

    email: "models.EmailField[str, str]" = models.EmailField()
    total: "models.DecimalField[Decimal | str, Decimal]" = models.DecimalField(max_digits=9, decimal_places=2)
    confirmed: "models.BooleanField[bool, bool]" = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"order {self.pk} of {self.email}"
