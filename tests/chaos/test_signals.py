"""Signals that come early: to a worker that boots, to a child that has just been started, to one that takes the place of another."""

import os
import signal
from pathlib import Path

import pytest
from returns.pipeline import is_successful

from fq import App
from tests.chaos.harness import ROOT, Rig, children
from tests.sampling import sample
from tests.wait_until import wait_until


@pytest.mark.parametrize("how", [(), ("--spawn",)])
def test_a_child_that_has_just_been_started_hears_that_it_is_to_stop(rig: Rig, how: tuple[str, ...]) -> None:
    for _ in range(3):
        process = rig.start("--processes", "1", *how)
        wait_until(lambda: children(process), what="the start")  # noqa: B023  # called at once
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 0


def test_a_worker_that_is_told_to_stop_while_it_imports_the_app_ends_at_once(rig: Rig, tmp_path: Path) -> None:
    file, sign = tmp_path / "fq.pid", tmp_path / "importing"
    (tmp_path / "slow.py").write_text(f"import pathlib, time\npathlib.Path({str(sign)!r}).touch()\ntime.sleep(600)\n")
    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    process = rig.start("--pid-file", str(file), app="slow:app")
    wait_until(sign.exists, what="the import")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert not file.exists()


def test_the_replacement_of_a_quiet_child_is_quiet_too_also_after_a_reload(app: App, rig: Rig) -> None:
    from tests.chaos.tasks import pid

    with rig.worker("--processes", "1") as process:
        first = pid.send().get(60_000).unwrap()
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: not is_successful(pid.send().get(300)), what="the quiet")
        (child,) = children(process)
        child.kill()
        wait_until(lambda: [heir for heir in children(process) if heir.pid != child.pid], what="the replacement")
        assert not is_successful(pid.send().get(1_500))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: rig.log().count(": 1 process, ") == 2, what="the reload")
        handle = pid.send()
        assert not is_successful(handle.get(1_500))
        process.send_signal(signal.SIGUSR2)

        assert handle.get(60_000).unwrap() != first


OVERRIDES = {
    "a handler for TERM": "signal.signal(signal.SIGTERM, lambda *_: None)",
    "none for TERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "the usual one for TERM": "signal.signal(signal.SIGTERM, signal.SIG_DFL)",
    "none for children that end": "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "no wakeup": "signal.set_wakeup_fd(-1)",
    "TERM held back": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD, signal.SIGURG])",
}


INHERITED = ("none for TERM", "TERM held back")
"""What a program takes over from the one that starts it: the children in fresh interpreters meet it before they import anything."""

FORKED = [pytest.param((), code, id=f"fork-{name}") for name, code in OVERRIDES.items()]
SPAWNED = [
    pytest.param(("--spawn",), code, id=f"spawn-{name}", marks=[] if name in INHERITED else [pytest.mark.chaos])
    for name, code in OVERRIDES.items()
]


@pytest.mark.parametrize(("how", "code"), [*sample(FORKED, 2), *SPAWNED])
def test_what_the_app_does_about_signals_when_it_is_imported_keeps_the_worker_from_nothing(
    app: App, rig: Rig, tmp_path: Path, code: str, how: tuple[str, ...]
) -> None:
    from tests.chaos.tasks import pid

    (tmp_path / "mine.py").write_text(f"import signal\nfrom tests.chaos.tasks import *\n{code}\n")
    rig.more = {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
    with rig.worker("--processes", "1", *how, app="mine:app") as process:
        first = pid.send().get(60_000).unwrap()
        os.kill(first, signal.SIGKILL)

        assert pid.send().get(60_000).unwrap() != first
        wait_until(lambda: children(process), what="the replacement")
    assert "killed by SIGKILL" in rig.log()
