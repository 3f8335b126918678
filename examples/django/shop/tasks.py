"""What the worker does for the shop: an actor of fq, and two of Django's own tasks, one of them async."""

from decimal import Decimal

from django.core.mail import send_mail
from django.db.models import Sum

from fq.django import app
from shop.models import Order
from shop.tasks_api import task


@app.actor(max_retries=5, queue="mail")
def confirm(order_id: int) -> None:
    """Send the confirmation of an order, and note that."""
    order = Order.objects.get(pk=order_id)
    send_mail(f"Your order {order.pk}", f"We have received it: {order.total}.", "shop@example.com", [order.email])
    Order.objects.filter(pk=order_id).update(confirmed=True)


@task
def total() -> str:
    """Add up all orders."""
    found: Decimal | None = Order.objects.aggregate(total=Sum("total"))["total"]
    return f"{found or 0:.2f}"


@task(priority=10)
async def count() -> int:
    """Count all orders."""
    return await Order.objects.acount()
