"""The pages of the shop: place an order, look at one, ask for the total."""

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from shop.models import Order
from shop.tasks import confirm, total


@csrf_exempt  # it is an API without a login
@require_POST
@transaction.atomic
def place(request: HttpRequest) -> JsonResponse:
    """Save an order. Its confirmation is sent once the order is committed, so that the worker finds it."""
    order = Order.objects.create(email=request.POST["email"], total=request.POST["total"])
    handle = confirm.call(order.pk).send_on_commit()
    return JsonResponse({"order": order.pk, "message": handle.message_id}, status=201)


@require_GET
def order(request: HttpRequest, pk: int) -> JsonResponse:
    """Show an order."""
    found = get_object_or_404(Order, pk=pk)
    return JsonResponse({"order": found.pk, "confirmed": found.confirmed})


@csrf_exempt
@require_POST
def start_total(request: HttpRequest) -> JsonResponse:
    """Let the worker add up all orders."""
    return JsonResponse({"result": total.enqueue().id}, status=202)


@require_GET
def show_total(request: HttpRequest, result_id: str) -> JsonResponse:
    """Show what became of it."""
    result = total.get_result(result_id)
    return JsonResponse({"status": result.status, "total": result.return_value if result.is_finished else None})
