"""``flask fq``: all commands of fq, about the site, with a real worker."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from flask import Flask

from examples.flask.models import db
from examples.flask.site import create_app
from examples.flask.tasks import site_name
from fq import ConfigError
from fq.cli.main import main
from fq.flask import Fq, project
from tests.processes import running
from tests.wait_until import wait_until

ROOT = Path(__file__).parents[2]
FLASK = (sys.executable, "-m", "flask", "--app", "examples.flask.site")


@pytest.mark.parametrize("start", [[], ["--spawn"]], ids=["fork", "spawn"])
def test_a_worker_runs_the_tasks_of_the_site(tmp_path: Path, start: list[str]) -> None:
    config = {"FQ_URL": f"sqlite:///{tmp_path}/jobs.db", "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/site.db"}
    site = create_app(config)
    client = site.test_client()
    path, name = client.post("/documents", data="to be or not").json["document"], site_name.send()
    env = {**os.environ, "PYTHONPATH": str(ROOT), **{f"FLASK_{key}": value for key, value in config.items()}}
    command = [*FLASK, "fq", "worker", "-p", "1", *start]
    try:
        with (tmp_path / "worker.log").open("w") as log, running(command, cwd=tmp_path, env=env, stdout=log, stderr=log) as worker:
            wait_until(lambda: client.get(path).json["words"] is not None, what="the count of words")
            found = name.get_result(block=True, timeout=60_000)
            worker.send_signal(signal.SIGTERM)
            code = worker.wait(60)
    finally:
        with site.app_context():
            db.engine.dispose()

    assert (client.get(path).json, found) == ({"words": 4}, "Words")
    assert code == 0, (tmp_path / "worker.log").read_text()


def test_every_command_is_there_and_takes_no_app() -> None:
    site = Flask("site")
    site.config["FQ_URL"] = "memory://"
    queue = Fq(site)

    @queue.actor
    def add(a: int, b: int) -> int:
        return a + b

    runner = site.test_cli_runner()
    group = site.cli.commands["fq"]

    assert set(group.commands) == set(main.commands)
    assert not [each for each in group.commands.values() for param in each.params if param.name == "app_path"]
    for name in group.commands:
        shown = runner.invoke(args=["fq", name, "--help"]).output
        assert "APP" not in shown.replace("FLASK_APP", ""), shown
    assert "add" in runner.invoke(args=["fq", "actors"]).output
    assert runner.invoke(args=["fq", "send", "add", "1", "2"]).exit_code == 0
    assert queue.run_until_idle() == 1


def test_a_site_without_fq_says_what_to_write() -> None:
    with Flask("bare").app_context(), pytest.raises(ConfigError, match="found no Fq in"):
        _ = project.app


def test_the_doctor_advises_commands_of_the_site(tmp_path: Path) -> None:
    site = Flask("site")
    site.config["FQ_URL"] = f"sqlite:///{tmp_path}/jobs.db"
    queue = Fq(site)

    @queue.actor
    def add(a: int, b: int) -> int:
        return a + b

    with site.app_context():
        add.send(1, 2)
    ran = site.test_cli_runner().invoke(args=["fq", "doctor", "--json"])
    queue.broker.close()

    assert {finding["advice"] for finding in json.loads(ran.output)} >= {"flask fq worker", "flask fq worker --queues default"}
