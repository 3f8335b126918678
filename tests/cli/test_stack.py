"""``fq stack``."""

import json

from tests.cli.conftest import Fq


def test_the_onion_of_an_actor_is_drawn_with_the_options_in_force_and_the_actor_inside(fq: Fq) -> None:
    ran = fq("stack", "tasks:app", "add")
    lines = ran.stdout.splitlines()

    assert (ran.exit_code, ran.stderr) == (0, "")
    assert [line.strip().split("(")[0] for line in lines][-4:] == ["Retries", "TimeLimit", "CurrentMessage", "add"]
    assert "Retries(max_retries=3, min_backoff=15000, max_backoff=604800000)  # max_retries: actor\n" in ran.stdout
    assert lines[-1] == "  " * (len(lines) - 1) + "add(a: int, b: int = 10) -> int"


def test_layers_and_durations_of_the_actor_are_shown_as_they_are_in_force(fq: Fq) -> None:
    drawing = fq("stack", "tasks:app", "send_mail").stdout

    assert "Retries(max_retries=0, " in drawing
    assert "TimeLimit(time_limit=5000, interval=1000)" in drawing
    assert drawing.rstrip().endswith("send_mail(to: str, *, subject: str = 'none') -> str")


def test_an_actor_that_returns_nothing_is_seen_to_store_nothing(fq: Fq) -> None:
    assert "Results(store_results=False, result_ttl=600000)" in fq("stack", "tasks:app", "log").stdout


def test_as_json_it_is_the_list_of_layers(fq: Fq) -> None:
    printed = json.loads(fq("stack", "tasks:app", "add", "--json").stdout)

    assert printed["actor"] == "add"
    assert [layer["layer"] for layer in printed["layers"]][-3:] == ["Retries", "TimeLimit", "CurrentMessage"]
    assert printed["layers"][-3]["options"]["max_retries"] == {"value": 3, "from": "actor"}
    assert printed["layers"][-3]["options"]["min_backoff"] == {"value": 15000, "from": "stack"}


def test_an_option_in_the_message_goes_before_that_of_the_actor(fq: Fq) -> None:
    drawing = fq("stack", "tasks:app", "add", "--with", "max_retries=1").stdout

    assert "Retries(max_retries=1, min_backoff=15000, max_backoff=604800000)  # max_retries: message\n" in drawing


def test_an_option_that_no_layer_takes_is_refused(fq: Fq) -> None:
    ran = fq("stack", "tasks:app", "add", "--with", "max_retires=1")

    assert ran.exit_code == 2
    assert "no layer takes max_retires: expected some of" in ran.stderr


def test_an_unknown_actor_is_refused_with_the_nearest_name(fq: Fq) -> None:
    ran = fq("stack", "tasks:app", "sendmail")

    assert (ran.exit_code, ran.stdout, ran.stderr) == (2, "", "Error: no actor called sendmail: did you mean send_mail?\n")
