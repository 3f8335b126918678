"""The built-in workflows, for simulations: plain calls, retries, delays, pipelines, groups, callbacks, and what goes wrong with each."""

from fq import App, RetryAfter, SkipMessage, get_current_message

app = App("memory://")


def retries_so_far() -> int:
    """How many attempts the message that runs now has used up."""
    message = get_current_message()
    assert message is not None
    return int(message.options.get("retries", 0))  # type: ignore[call-overload]


@app.actor
def add(a: int, b: int) -> int:
    return a + b


@app.actor(queue="other", priority=-1)
async def double(n: int) -> int:
    return 2 * n


@app.actor
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.actor(max_retries=3, min_backoff=100)
def flaky(failures: int) -> int:
    """Fails so often, and then succeeds."""
    if retries_so_far() < failures:
        raise ValueError("not yet")
    return failures


@app.actor(max_retries=1, min_backoff=50)
async def patient() -> None:
    """Asks to be tried again in a while."""
    if retries_so_far() == 0:
        raise RetryAfter(20)


@app.actor(max_retries=2, min_backoff=30)
def spoils(items: list[int]) -> int:
    """Changes its argument, and fails for that, until no retry is left, when it says what it was called with."""
    found = len(items)
    items.append(0)
    if retries_so_far() < 2:
        raise ValueError("not yet")
    assert found == 1, "a retry gets what was sent"
    return found


@app.actor
def skipped() -> None:
    raise SkipMessage("not today")


@app.actor(max_deliveries=3)
def poison() -> int:
    """Exits whenever it runs."""
    raise SystemExit(1)


@app.actor
def told(message_data: object, said: object) -> None: ...


def plain(app: App) -> object:
    return [add.send(n, 1) for n in range(3)], double.send(4)


def retried(app: App) -> object:
    return flaky.send(0), flaky.send(2), flaky.send(9), spoils.send([7]), patient.send(), skipped.send(), poison.send()


def delayed(app: App) -> object:
    return add.call(1, 2).delay(1_000).send(), add.call(3, 4).delay(30_000).send(), double.call(5).delay(1_000).send()


def pipelines(app: App) -> object:
    return (add.call(1, 2) | double | double).send(), (flaky.call(1) | double).send(), (flaky.call(9) | double).send()


def groups(app: App) -> object:
    members = app.group([add.call(n, n) for n in range(3)])
    return members.then(total).send(), (app.group([flaky.call(1), flaky.call(9)], on_member_failure="collect") | told.call("group")).send()


def callbacks(app: App) -> object:
    failing = flaky.call(9).with_options(on_failure=told, on_retry_exhausted="told")
    return add.call(1, 2).with_options(on_success=told).send(), failing.send()


def everything(app: App) -> object:
    return plain(app), retried(app), delayed(app), pipelines(app), groups(app), callbacks(app)


WORKFLOWS = {workload.__name__: workload for workload in (plain, retried, delayed, pipelines, groups, callbacks, everything)}
