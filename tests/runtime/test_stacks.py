"""Stacks say where each thread and each task is, what it does, and nothing of how fq came there."""

import asyncio
import threading

from fq.runtime.stacks import MOST_TASKS, LabelledTask, stacks_of_process


def wait_here(event: threading.Event) -> None:
    event.wait()


def waiting(event: threading.Event, *names: str) -> list[threading.Thread]:
    threads = [threading.Thread(target=wait_here, args=(event,), name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    return threads


def test_a_thread_has_its_name_its_label_and_its_place() -> None:
    event = threading.Event()
    (thread,) = waiting(event, "worker-7")
    text = stacks_of_process({thread.ident or 0: "runs add m1"})
    event.set()

    assert text.startswith("Thread worker-7: runs add m1\n")
    assert "in wait_here\n    event.wait()" in text
    assert "_bootstrap" not in text


def test_threads_at_one_place_share_a_stack() -> None:
    event = threading.Event()
    waiting(event, "a-1", "a-2")
    text = stacks_of_process({})
    event.set()

    assert "Threads a-1, a-2\n" in text
    assert text.count("in wait_here") == 1


async def inner(future: "asyncio.Future[None]") -> None:
    await future


async def outer(future: "asyncio.Future[None]") -> None:
    await inner(future)


def test_a_task_is_shown_down_to_where_it_waits() -> None:
    async def main() -> str:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        tasks = [asyncio.create_task(outer(future)) for _ in range(MOST_TASKS + 2)]
        await asyncio.sleep(0)
        text = stacks_of_process({}, [LabelledTask(task, "mail m1") for task in tasks])
        future.set_result(None)
        await asyncio.gather(*tasks)
        return text

    text = asyncio.run(main())
    assert "Task: mail m1\n" in text
    assert text.index("in outer\n    await inner(future)") < text.index("in inner\n    await future")
    assert "and 2 more tasks" in text
