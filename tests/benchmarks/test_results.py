"""The published results: the page, the README and the chart show what the JSON file has, and a queue that is faster than fq is said to be."""

from pathlib import Path

import pytest

from benchmarks.peers.chart import FILE as CHART
from benchmarks.peers.chart import svg
from benchmarks.peers.page import PAGE, README, between, section, sentence
from benchmarks.peers.results import FIGURES, Key, Results
from benchmarks.peers.tables import cell, comparisons, markdown, ratio


def run_of(**rates: list[float]) -> Results:
    """Return a run in which each queue drained at these rates."""
    machine = {"processor": "a processor", "cores": 2, "system": "Linux", "python": "3.11.7", "load": 0.1, "date": "2026-11-30"}
    queues = {name: {"versions": {name: "1.0"}, "settings": "defaults", "bound": name == "limit"} for name in rates}
    about = {"machine": machine, "plan": {"window": 1.0}, "stores": {"redis": "a server"}, "queues": {"redis": queues}}
    return Results(about, {Key("redis", "", "drain sync", name): values for name, values in rates.items()})


@pytest.mark.parametrize(("path", "text"), [(PAGE, section), (README, sentence)], ids=["page", "readme"])
def test_the_pages_show_the_results_in_the_file(path: Path, text: object) -> None:
    page = path.read_text()

    assert between(page, text(Results.read())) == page, "run: python -m benchmarks report"


def test_the_chart_shows_the_results_in_the_file() -> None:
    assert CHART.read_text() == svg(Results.read()), "run: python -m benchmarks report"


def test_results_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    run = run_of(fq=[100.0, 200.0], dramatiq=[10.0])
    run.write(tmp_path / "results.json")

    assert Results.read(tmp_path / "results.json") == run


def test_a_figure_that_nothing_describes_is_refused() -> None:
    with pytest.raises(KeyError, match="is no figure"):
        run_of().record(Key("redis", "", "speed", "fq"), 1.0)


def test_a_cell_has_the_median_and_the_range() -> None:
    assert cell([300.0, 100.0, 2_000.0]) == "300 (100–2,000)"
    assert cell([1.234]) == "1.23"
    assert cell(None) == ""


def test_fq_is_beside_the_best_of_the_others_and_not_beside_the_limit() -> None:
    (found,) = comparisons(run_of(fq=[100.0], dramatiq=[10.0], arq=[50.0], limit=[900.0]))

    assert (found.best, found.theirs, found.ratio) == ("arq", 50.0, 2.0)


@pytest.mark.parametrize(("ours", "expected"), [(100.0, "ahead"), (50.0, "level"), (25.0, "**behind**")])
def test_the_table_says_where_fq_is_behind(ours: float, expected: str) -> None:
    text = markdown(run_of(fq=[ours], arq=[50.0]))

    assert f"| {expected} |" in text


def test_less_of_a_cost_is_better() -> None:
    assert ratio(10.0, 20.0, more_is_better=True) == 0.5
    assert ratio(10.0, 20.0, more_is_better=False) == 2.0


def test_a_busy_machine_is_said_to_be_busy() -> None:
    run = run_of(fq=[100.0], arq=[50.0])
    quiet = section(run), sentence(run), svg(run)
    run.about["machine"]["load"] = 7.0
    busy = section(run), sentence(run), svg(run)

    assert not any("busy" in text or "Other programs" in text for text in quiet)
    assert all("busy" in text or "Other programs" in text for text in busy)


def test_the_chart_has_a_bar_for_each_queue_but_not_for_the_limit() -> None:
    chart = svg(run_of(fq=[100.0], arq=[50.0], limit=[900.0]))

    assert [name in chart for name in (">fq<", ">arq<", ">limit<")] == [True, True, False]


def test_each_figure_has_a_unit() -> None:
    assert [name for name, figure in FIGURES.items() if not figure.unit or not figure.title] == []
