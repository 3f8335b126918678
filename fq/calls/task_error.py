"""`TaskError`: the closed union of the reasons why a handle has no result."""

from typing import Never, TypeAlias, assert_never

from attrs import frozen

from fq.core.fault import Fault
from fq.errors import ResultFailure, ResultMissing, ResultNotStored, ResultTimeout


@frozen
class TimedOut:
    """No result came within *timeout* ms."""

    timeout: int


@frozen
class Missing:
    """There is no result yet, or the result has expired."""

    message_id: str


@frozen
class NotStored:
    """The actor stores no results."""

    actor_name: str


TaskError: TypeAlias = Fault | TimedOut | Missing | NotStored


def raise_task_error(error: TaskError, actor_name: str, message_id: str) -> Never:
    """Raise the exception for *error*, of the message *message_id*; the errors of `Handle.get_result`."""
    match error:
        case Fault(kind, message, traceback):
            raise ResultFailure(kind, message, traceback)
        case TimedOut(timeout):
            raise ResultTimeout(
                f"no result of {actor_name} {message_id} within {timeout} ms: does a worker run? fq doctor and handle.status() say"
            )
        case Missing(missing_id):
            raise ResultMissing(
                f"no result of {actor_name} {missing_id} yet, or it has expired, or no message has this id: wait with get_result(block=True), "
                "or see handle.status()"
            )
        case NotStored(name):
            raise ResultNotStored(f"{name} stores no results: annotate its return type, or declare it with store_results=True")
        case _:
            assert_never(error)
