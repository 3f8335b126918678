"""Tasks of Django for the tests."""

from datetime import timedelta

from shop.tasks_api import task

from fq import SkipMessage


class Refused(Exception):
    """An error of the project."""


ran: list[object] = []
"""What `note` was called with."""


@task
def double(n: int) -> int:
    return 2 * n


@task
async def adouble(n: int) -> int:
    return 2 * n


@task
def note(value: object) -> None:
    ran.append(value)


@task
def refuse(text: str) -> None:
    raise Refused(text)


@task
async def arefuse(text: str) -> None:
    raise Refused(text)


@task(max_retries=3, min_backoff=1_000, max_backoff=2_000)
def fail_twice(log: list[int]) -> str:
    ran.append(log)
    if len(ran) < 3:
        raise Refused(f"attempt {len(ran)}")
    return "at last"


@task(takes_context=True)
def own_result(context, word: str) -> dict[str, object]:
    result = context.task_result
    ran.append(result.status)
    return {"id": result.id, "attempt": context.attempt, "word": word}


@task(takes_context=True)
async def aown_result(context) -> str:
    return context.task_result.id


@task
def not_json() -> object:
    return timedelta(1)


@task
def in_a_tuple() -> object:
    return ("a", b"b", {"c": (1, 2)})


@task
def leave() -> None:
    raise SystemExit("leaving")


@task
def skip() -> None:
    raise SkipMessage("not today")


@task(queue_name="mail", priority=5)
def send(to: str) -> None:
    ran.append(to)
