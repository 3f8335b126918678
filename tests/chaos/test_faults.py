"""What a worker does when actors block, crash, leak and hold the GIL, and when it is told to reload or to stop: with real processes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from returns.pipeline import is_successful
from returns.result import Success

from fq import App, Fault
from tests.chaos.harness import ROOT, Rig, children
from tests.sampling import sample
from tests.wait_until import wait_until


def test_an_actor_blocked_in_c_past_its_limit_is_killed_and_fails_without_being_run_again(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import block, nap

    options = ("--processes", "1", "--threads", "3", "--hard-limit-grace", "300", "--heartbeat", "500")
    with rig.worker(*options):
        napping = nap.send(2.5)
        blocked = block.call(60.0).with_options(max_retries=0).send()
        result = blocked.get(15_000)
        other = napping.get(15_000)

    assert isinstance(fault := result.failure(), Fault)
    assert fault.type == "TimeLimitExceeded"
    assert rig.runs("block") == {"60.0": 1}
    assert is_successful(other)
    assert rig.runs("nap") == {"2.5": 2}, "the other message was handed back, and ran again"


def test_a_hard_kill_is_a_failed_attempt_that_is_retried(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import block

    with rig.worker("--processes", "1", "--hard-limit-grace", "200"):
        result = block.send(60.0).get(60_000)

    assert isinstance(result.failure(), Fault)
    assert rig.runs("block") == {"60.0": 2}, "the first attempt, and one retry"


def test_a_child_whose_actor_holds_the_gil_for_three_leases_keeps_its_messages(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import hold_gil

    with rig.worker(
        "--processes", "2", "--threads", "1", "--heartbeat", "1000"
    ):  # a supervisor may be kept from the processor for a second
        result = hold_gil.send(6.0).get(60_000)

    assert result == Success(6.0)
    assert rig.runs("hold") == {"6.0": 1}


@pytest.mark.parametrize("name", sample(["die", "segfault"], 2))
def test_a_message_that_kills_its_process_is_taken_out_and_others_are_unaffected(app: App, rig: Rig, name: str) -> None:
    from tests.chaos import tasks

    with rig.worker("--processes", "1", "--threads", "4", "--heartbeat", "500"):
        long = tasks.nap.send(3.0)
        poison = getattr(tasks, name).send()
        others = app.send_many(tasks.awork.call(n) for n in range(50))
        result = poison.get(60_000)
        rest = [handle.get(60_000) for handle in others]
        longest = long.get(60_000)

    assert isinstance(fault := result.failure(), Fault)
    assert (fault.type, rig.runs(name)["0"]) == ("Poison", 3)
    assert rest == [Success(2 * n) for n in range(50)]
    assert is_successful(longest)


def test_of_many_async_actors_only_the_one_that_killed_the_process_is_blamed(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import adie, anap

    with rig.worker("--processes", "1", "--heartbeat", "500"):
        poison = adie.send()
        naps = app.send_many(anap.call(2.0) for _ in range(30))  # they begin after it, and two deliveries are all that they are given
        result = poison.get(60_000)
        rest = [handle.get(60_000) for handle in naps]

    assert isinstance(fault := result.failure(), Fault)
    assert (fault.type, rig.runs("adie")["0"]) == ("Poison", 3)
    assert rest == [Success(2.0)] * 30


def test_a_child_that_has_finished_enough_is_replaced_and_no_message_is_lost(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import pid

    handles = app.send_many(pid.call() for _ in range(300))
    with rig.worker("--processes", "1", "--threads", "1", "--max-tasks-per-child", "100"):
        wait_until(lambda: "starting its successor" in rig.log(), what="the recycling")
        handles += [pid.send() for _ in range(20)]
        wait_until(lambda: handles[-1].status().state == "done")
        handles.append(pid.send())
        wait_until(lambda: len({handle.get(5_000).unwrap() for handle in [*handles, pid.send()]}) > 1, what="the successor's first message")


def test_a_child_that_has_grown_too_large_is_replaced(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import leak, pid

    with rig.worker("--processes", "1", "--max-memory-per-child", "150"):
        first = pid.send().get().unwrap()
        assert leak.send(150).get() == Success(150)
        wait_until(lambda: pid.send().get().unwrap() != first, what="the replacement")
        wait_until(lambda: not psutil.pid_exists(first), what="the first child's end")


def test_children_that_are_too_large_from_birth_are_not_replaced_for_ever_and_it_is_said_once(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import pid

    with rig.worker("--processes", "2", "--max-memory-per-child", "5", "--heartbeat", "50"):
        wait_until(lambda: "clearly more" in rig.log(), what="the advice")
        first = pid.send().get(60_000).unwrap()
        wait_until(lambda: f"{first} drains" in rig.log(), what="the replacement of one that has finished something")
        assert is_successful(pid.send().get(60_000))

    assert rig.log().count("clearly more") == 1
    assert rig.log().count("starting its successor") <= 2, "one a message"


def test_a_reload_under_load_takes_up_new_code_and_loses_and_delays_nothing(rig: Rig, tmp_path: Path) -> None:
    code = (
        "import os, time\nfrom fq import App\napp = App(os.environ['FQ_URL'])\n"
        "@app.actor\ndef version(n: int) -> int:\n    time.sleep(0.002)\n    return VERSION\n"
    )
    module = tmp_path / "reloaded.py"
    module.write_text(code.replace("VERSION", "1"))
    app = App(rig.url)

    @app.actor
    def version(n: int) -> int:
        raise NotImplementedError

    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    process = rig.start("--processes", "2", "--heartbeat", "500", app="reloaded:app")
    try:
        assert version.send(0).get(60_000) == Success(1)
        module.write_text(code.replace("VERSION", "2"))
        handles = app.send_many(version.call(n) for n in range(2_000))
        process.send_signal(signal.SIGHUP)
        waits = []
        while True:
            began = time.monotonic()
            result = version.send(1).get(60_000)
            waits.append(time.monotonic() - began)
            if result == Success(2):
                break
        results = [handle.get(60_000) for handle in handles]
        wait_until(lambda: len(children(process)) == 2, what="the end of the old children")
    finally:
        process.send_signal(signal.SIGTERM)
        code_of_exit = process.wait(60)

    assert all(map(is_successful, results))
    assert code_of_exit == 0
    assert max(waits) < 30
    app.broker.close()


def test_code_that_cannot_be_imported_is_not_reloaded(rig: Rig, tmp_path: Path) -> None:
    module = tmp_path / "broken.py"
    code = "import os\nfrom fq import App\napp = App(os.environ['FQ_URL'])\n@app.actor\ndef one() -> int:\n    return 1\n"
    module.write_text(code)
    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    app = App(rig.url)

    @app.actor
    def one() -> int:
        raise NotImplementedError

    process = rig.start("--processes", "1", app="broken:app")
    try:
        assert one.send().get(60_000) == Success(1)
        module.write_text(code + "this is not Python\n")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not reloading" in rig.log(), what="the refusal")
        assert one.send().get(60_000) == Success(1)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        app.broker.close()


def test_a_busy_worker_that_is_told_to_stop_hands_back_what_has_not_started(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    process = rig.start("--processes", "1", "--threads", "1")
    handles = app.send_many(nap.call(1.0) for _ in range(5))
    wait_until(lambda: rig.runs("nap"), what="the first run")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    ran = rig.runs("nap")["1.0"]
    with rig.worker("--processes", "1", "--threads", "4"):
        results = [handle.get(60_000) for handle in handles]

    assert ran <= 2, "one was running, and another may have begun before the worker knew"
    assert all(map(is_successful, results))
    assert rig.runs("nap")["1.0"] == 5


def test_a_second_signal_stops_at_once_and_hands_back_what_runs(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import nap

    process = rig.start("--processes", "1", "--threads", "1")
    handle = nap.send(20.0)
    wait_until(lambda: rig.runs("nap"), what="the first run")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0

    assert handle.status().state == "ready"


def test_a_quieted_worker_claims_nothing_until_it_is_told_to_go_on(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import pid

    with rig.worker("--processes", "1") as process:
        assert is_successful(pid.send().get())
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: not is_successful(pid.send().get(300)), what="the quiet")
        handle = pid.send()
        process.send_signal(signal.SIGUSR2)
        assert is_successful(handle.get())


def test_children_can_be_fresh_interpreters(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import pid

    with rig.worker("--processes", "1", "--spawn"):
        assert is_successful(pid.send().get(60_000))


def test_a_worker_whose_database_cannot_be_made_says_so_in_one_line(tmp_path: Path) -> None:
    missing = Rig(f"sqlite:///{tmp_path}/missing/chaos.db", tmp_path)
    process = missing.start("--processes", "1")

    assert process.wait(60) in (2, 3)
    assert len([line for line in missing.log().splitlines() if line.startswith("Error: ")]) == 1
    assert f"{tmp_path}/missing" in missing.log()


FULL = Path("/dev/full")
"""What every write to fails as on a disk without room."""


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_log_costs_records_and_no_work(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import die, work

    with rig.worker("--processes", "1", "--heartbeat", "300", "--log-file", str(FULL)):
        poison = die.send().get(60_000)
        results = [handle.get(60_000) for handle in app.send_many(work.call(n) for n in range(40))]

    assert isinstance(poison.failure(), Fault)
    assert results == [Success(2 * n) for n in range(40)]


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_nor_does_it_under_the_standard_error_stream(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import work

    with FULL.open("ab") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "fq", "worker", "tests.chaos.tasks:app", "--processes", "1"], env=rig.environment, cwd=ROOT, stderr=full
        )
        results = [handle.get(60_000) for handle in app.send_many(work.call(n) for n in range(40))]
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)

    assert results == [Success(2 * n) for n in range(40)]
    assert code == 0


def can_make_a_container() -> bool:
    """May we have a process namespace of our own, as a container has?"""
    try:
        return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


CONTAINER = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


@pytest.mark.skipif(not can_make_a_container(), reason="needs util-linux, and leave to make a process namespace")
def test_as_process_1_of_a_container_it_reaps_orphans_and_stops_when_told(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import orphan

    command = [*CONTAINER, sys.executable, "-m", "fq", "worker", "tests.chaos.tasks:app", "--processes", "1"]
    with (rig.folder / "worker.log").open("ab") as log:
        container = subprocess.Popen(command, env=rig.environment, cwd=ROOT, stderr=log)
    try:
        wait_until(lambda: children(container), what="the container's start")
        (first,) = children(container)
        born = [orphan.send().get(60_000) for _ in range(5)]
        wait_until(lambda: len(first.children()) == 1, what="the end of the orphans")
        left = first.children()
        first.send_signal(signal.SIGTERM)
        code = container.wait(20)
    finally:
        container.kill()
        container.wait()

    assert born == [Success(1)] * 5, "the supervisor is process 1, and gets those whose parents have ended"
    assert [child.status() for child in left if child.is_running()] == []
    assert code == 0


def test_signals_that_come_while_it_reloads_are_neither_lost_nor_deadly(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import pid

    with rig.worker("--processes", "1") as process:
        for _ in range(20):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.11)
        assert is_successful(pid.send().get(60_000))
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)  # it imports the new code, or has just begun anew, when it is told to stop
