"""The files in ``examples/deploy`` name metrics, commands and paths that exist."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from fq import App, compose, default_middleware, prometheus
from fq.brokers.memory import MemoryBroker
from fq.cli import main
from fq.observe.collector import Collector
from fq.observe.health import PROBES
from fq.observe.layer import Prometheus

FILES = sorted((Path(__file__).parents[2] / "examples" / "deploy").iterdir())


@pytest.fixture(scope="module")
def known_metrics() -> set[str]:
    """The names of all samples that a worker's endpoint serves."""
    app = App(broker=MemoryBroker(), middleware=compose(prometheus(), default_middleware))

    @app.actor(max_retries=0)
    def fails() -> None:
        raise ValueError

    fails.send()
    app.run_until_idle()
    layer = app.stack.get(Prometheus)
    assert layer is not None
    registry = CollectorRegistry()
    registry.register(Collector(layer.meter, app))
    return set(re.findall(r"^(fq_\w+)", generate_latest(registry).decode(), re.MULTILINE))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_metric_in_it_is_served(file: Path, known_metrics: set[str]) -> None:
    named = set(re.findall(r"\bfq_[a-z_]+", file.read_text()))

    assert named <= known_metrics, f"unknown metrics: {named - known_metrics}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_command_in_it_exists(file: Path) -> None:
    text = file.read_text()
    commands = {*re.findall(r'"fq", "([a-z]+)"', text), *re.findall(r"(?:bin/|: |action: \"?)fq ([a-z]+) [Ata]", text)}

    assert commands <= set(main.commands)
    assert commands or file.name == "grafana.json"


@pytest.mark.parametrize("name", ["keda.yml", "kubernetes.yml"])
def test_the_probes_of_kubernetes_exist(name: str) -> None:
    (file,) = (file for file in FILES if file.name == name)
    probes = set(re.findall(r"path: (/\w+)", file.read_text()))

    assert probes
    assert probes <= set(PROBES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_option_of_a_worker_in_it_exists(file: Path) -> None:
    known = {word for parameter in main.commands["worker"].params for word in parameter.opts}
    lines = [line for line in file.read_text().splitlines() if re.search(r'fq"?,? "?worker', line)]

    assert {word for line in lines for word in re.findall(r"--[a-z-]+", line.partition("#")[0])} <= known


def test_the_dashboard_has_its_panels_in_a_grid_without_overlaps() -> None:
    (file,) = (file for file in FILES if file.name == "grafana.json")
    panels = json.loads(file.read_text())["panels"]

    cells = [
        (x, y)
        for panel in panels
        for p in [panel["gridPos"]]
        for x in range(p["x"], p["x"] + p["w"])
        for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(target["expr"] for panel in panels for target in panel["targets"])
