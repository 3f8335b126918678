"""`send_on_commit` in transactions of Django, also in its test cases, where nothing is ever committed."""

import unittest

import pytest
from django.db import transaction
from django.test import TestCase, TransactionTestCase
from shop.models import Order
from shop.tasks import confirm

from fq import App, InvalidArguments
from fq.django import app as project_app
from fq.testing import memory


def waiting(app: App) -> list[tuple[object, ...]]:
    """Return the arguments of the messages that wait."""
    return [record.args for record in app.messages()]


def test_a_call_is_sent_once_the_order_is_committed(app: App, database: None) -> None:
    with transaction.atomic():
        order = Order.objects.create(email="ann@example.com", total=1)
        handle = confirm.call(order.pk).send_on_commit()
        assert waiting(app) == []
        assert handle.status().state == "unknown"

    assert waiting(app) == [(order.pk,)]
    assert handle.status().state == "ready"


def test_a_call_of_a_transaction_that_is_rolled_back_is_never_sent(app: App, database: None) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        confirm.call(1).send_on_commit()
        raise ZeroDivisionError
    with transaction.atomic():
        confirm.call(2).send_on_commit()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            confirm.call(3).send_on_commit()
            raise ZeroDivisionError

    assert waiting(app) == [(2,)]


def test_without_a_transaction_a_call_is_sent_at_once(app: App, database: None) -> None:
    confirm.call(1).send_on_commit(using="default")

    assert waiting(app) == [(1,)]


def test_an_error_in_a_call_is_raised_where_it_is_written(app: App, database: None) -> None:
    with transaction.atomic(), pytest.raises(InvalidArguments, match="order_id"):
        confirm.call().send_on_commit()


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run all tests of *case*."""
    result = unittest.TestResult()
    with memory(project_app):
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def test_django_test_cases_see_what_would_be_sent(silent: None) -> None:
    class Orders(TestCase):
        def test_captured(self) -> None:
            with self.captureOnCommitCallbacks() as callbacks:
                confirm.call(1).send_on_commit()
            assert len(callbacks) == 1
            assert waiting(project_app) == []

        def test_executed(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                answer = self.client.post("/orders/", {"email": "ann@example.com", "total": "9.50"})
            pk = answer.json()["order"]
            project_app.run_until_idle()  # inside the transaction of the test, in which the order is
            assert self.client.get(f"/orders/{pk}/").json() == {"order": pk, "confirmed": True}

    result = run(Orders)

    assert (result.testsRun, result.errors, result.failures) == (2, [], [])


def test_django_transaction_test_cases_commit(silent: None) -> None:
    class Orders(TransactionTestCase):
        def test_committed(self) -> None:
            pk = self.client.post("/orders/", {"email": "ann@example.com", "total": "9.50"}).json()["order"]
            project_app.run_until_idle()
            assert Order.objects.get(pk=pk).confirmed

    result = run(Orders)

    assert (result.testsRun, result.errors, result.failures) == (1, [], [])
