"""`Fq`: its configuration, factories, and sends within requests."""

import pytest
from flask import Flask

from fq import ConfigError, DeclarationError, OptionError
from fq.flask import Fq
from fq.testing import drain, memory


def make_site(queue: Fq, **config: object) -> Flask:
    site = Flask("site")
    site.config.update({"FQ_URL": "memory://", **config})
    queue.init_app(site)
    return site


@pytest.fixture
def queue() -> Fq:
    queue = Fq()

    @queue.actor
    def add(a: int, b: int) -> int:
        return a + b

    return queue


def test_a_view_sends_and_a_test_runs_it(queue: Fq) -> None:
    site = make_site(queue)

    @site.post("/sums")
    def order() -> dict[str, str]:
        return {"id": queue.get_actor("add").send(1, 2).message_id}

    @site.get("/sums/<message_id>")
    def show(message_id: str) -> dict[str, object]:
        return {"sum": queue.handle(message_id, returns=int).get_result()}

    client = site.test_client()
    ordered = client.post("/sums").json["id"]

    assert drain(queue) == 1
    assert client.get(f"/sums/{ordered}").json == {"sum": 3}


def test_a_second_site_of_a_factory_begins_empty(queue: Fq) -> None:
    first = make_site(queue)
    queue.get_actor("add").send(1, 2)
    second = make_site(queue)

    assert queue.run_until_idle() == 0
    assert queue.site is second is not first


def test_a_send_before_there_is_a_site_says_what_to_do(queue: Fq) -> None:
    with pytest.raises(ConfigError, match=r"no Flask site yet: call init_app\(site\)"):
        queue.get_actor("add").send(1, 2)
    with pytest.raises(ConfigError, match="no Flask site yet"):
        _ = queue.site
    assert repr(queue) == "App('no site yet')"


def test_a_test_may_replace_the_broker_without_a_site_that_names_one(queue: Fq) -> None:
    make_site(queue, FQ_URL="redis://nowhere.example")
    with memory(queue):
        handle = queue.get_actor("add").send(1, 2)
        drain(queue)

        assert handle.get_result() == 3


def test_the_url_comes_from_the_site_then_the_environment_then_the_default(queue: Fq, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("FQ_URL", f"sqlite:///{tmp_path}/environment.db")
    make_site(queue, FQ_URL=f"sqlite:///{tmp_path}/site.db")
    of_site = str(queue.broker)
    make_site(queue, FQ_URL=None)
    of_environment = str(queue.broker)
    monkeypatch.delenv("FQ_URL")
    make_site(queue, FQ_URL="")

    assert of_site.endswith("site.db")
    assert of_environment.endswith("environment.db")
    assert str(queue.broker).endswith("/fq.db")


def test_the_site_names_queues_and_says_how_arguments_are_logged(queue: Fq) -> None:
    make_site(queue, FQ_QUEUES=["slow"], FQ_REDACT=False)

    assert queue.queues == ("default", "slow")
    assert queue.registry.redact is False


@pytest.mark.parametrize(
    ("config", "error", "text"),
    [
        ({"FQ_URL": 3}, ConfigError, "FQ_URL: found 3"),
        ({"FQ_URL": "nonsense://x"}, ConfigError, "nonsense"),
        ({"FQ_QUEUES": "slow"}, ConfigError, "FQ_QUEUES: found 'slow', expected a list of names"),
        ({"FQ_QUEUES": [""]}, DeclarationError, "queue"),
        ({"FQ_REDACT": "no"}, ConfigError, "FQ_REDACT: found 'no'"),
        ({"FQ_OUTBOX": 3}, ConfigError, "FQ_OUTBOX: found 3"),
        ({"FQ_OUTBOX": "mysql://x"}, ConfigError, "found mysql:"),
    ],
)
def test_a_configuration_that_fq_cannot_use_is_refused(queue: Fq, config: dict, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make_site(queue, **config)


def test_a_site_has_one_fq(queue: Fq) -> None:
    site = make_site(queue)

    with pytest.raises(ConfigError, match="another Fq"):
        Fq().init_app(site)
    queue.init_app(site)
    assert site.extensions["fq"] is queue


def test_the_context_has_no_options(queue: Fq) -> None:
    with pytest.raises(OptionError, match="unknown option site"):
        queue.get_actor("add").call(1, 2).with_options(site=1)  # type: ignore[call-arg]
