"""`App`: what it is made of, and what it refuses."""

import logging
from pathlib import Path
from types import ModuleType

import pytest
from attrs import frozen

from fq import (
    ActorNotFound,
    App,
    ConfigError,
    DeclarationError,
    Enqueue,
    Middleware,
    Retries,
    StackError,
    actor,
    age_limit,
    compose,
    default_middleware,
    retries,
)
from fq.brokers.memory import MemoryBroker
from fq.core.events import ActorDeclared, ActorDeclaring, Delayed, Enqueued, Event, QueueDeclared, QueueDeclaring
from fq.testing import message


def test_an_app_starts_from_the_default_stack() -> None:
    assert [type(layer) for layer in App("memory://").stack] == [type(layer) for layer in default_middleware]


def test_an_app_may_have_another_stack() -> None:
    assert App("memory://", middleware=compose(age_limit(), retries())).stack == compose(age_limit(), retries())
    assert App("memory://", middleware=retries()).stack == compose(retries())
    assert App("memory://", middleware=compose()).stack == compose()


@pytest.mark.parametrize("middleware", [[retries()], None, "retries", Retries])
def test_a_stack_that_is_none_is_refused(middleware: object) -> None:
    with pytest.raises(StackError, match=r"expected a layer"):
        App("memory://", middleware=middleware)  # type: ignore[arg-type]


def test_a_broker_may_be_given_as_a_value_but_not_beside_a_url() -> None:
    broker = MemoryBroker()

    assert App(broker=broker).broker is broker
    with pytest.raises(ConfigError, match=r"^found the URL memory:// and the broker .*, expected only one of them$"):
        App("memory://", broker=broker)


@pytest.mark.parametrize(
    "url", ["jobs.db", "sqlite://jobs.db", "mysql://localhost", "memory:/", "sqlite:///", "sqlite:///jobs.db?journal=wal"]
)
def test_a_url_that_names_no_broker_is_refused_at_once_with_what_to_type(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        App(url)

    assert url in str(caught.value)
    assert "expected" in str(caught.value)


def test_without_a_url_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FQ_URL", "memory://")

    assert isinstance(App().broker, MemoryBroker)


def test_without_any_url_it_is_a_file_in_the_working_directory_which_the_first_send_makes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FQ_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    app = App()

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    assert list(tmp_path.iterdir()) == []
    add.send(1, 2)
    assert (tmp_path / "fq.db").is_file()
    app.broker.close()


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    app = App(f"sqlite:///{tmp_path}/missing/jobs.db")

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(ConfigError) as caught:
        add.send(1, 2)

    missing = tmp_path / "missing"
    assert str(caught.value) == (
        f"SQLite database {missing}/jobs.db: found no folder {missing}, expected it to be there; type: mkdir -p {missing}"
    )


def test_actors_are_found_by_name() -> None:
    app = App("memory://")
    add = app.actor(name="add")(lambda a, b: a + b)

    assert app.get_actor("add") is add
    with pytest.raises(ActorNotFound, match=r"^no actor called sub; the app declares add$"):
        app.get_actor("sub")
    with pytest.raises(ActorNotFound, match=r"^no actor called sub; the app declares none$"):
        App("memory://").get_actor("sub")


def test_queues_are_those_of_the_actors_in_order() -> None:
    app = App("memory://")
    for number, queue in enumerate(["b", "a", "b", "default"]):
        app.actor(name=f"actor_{number}", queue=queue)(print)

    assert app.queues == ("b", "a", "default")


# Including


def test_free_actors_are_bound_by_including_them() -> None:
    app = App("memory://")

    @actor(max_retries=1)
    def add(a: int, b: int) -> int:
        return a + b

    app.include(add)
    handle = add.send(1, 2)
    app.run_until_idle()

    assert handle.get_result() == 3
    assert app.stack_of(add).get(Retries) == retries(max_retries=1)


def module_of(**values: object) -> ModuleType:
    module = ModuleType("tasks")
    vars(module).update(values)
    return module


def test_including_a_module_binds_all_of_its_actors_once() -> None:
    app = App("memory://")
    add, sub = actor(name="add")(print), actor(name="sub")(print)
    module = module_of(add=add, also_add=add, sub=sub, other=3)
    app.include(module)
    app.include(module, add)

    assert app.actors == {"add": add, "sub": sub}


@pytest.mark.parametrize("thing", [module_of(other=3), print, "tasks", None], ids=["module", "function", "name", "nothing"])
def test_including_something_without_actors_is_refused(thing: object) -> None:
    with pytest.raises(DeclarationError) as caught:
        App("memory://").include(thing)  # type: ignore[arg-type]

    assert str(caught.value) == f"found {thing!r}, expected an actor or a module with actors in it"


def test_an_actor_belongs_to_one_app() -> None:
    first, second = App("memory://"), App("memory://")
    add = actor(name="add")(print)
    first.include(add)

    with pytest.raises(DeclarationError, match=r"^add belongs to another app already: App"):
        second.include(add)
    assert second.actors == {}


def test_including_an_actor_whose_name_is_taken_is_refused() -> None:
    app = App("memory://")
    app.actor(name="add")(print)

    with pytest.raises(DeclarationError, match=r"^found two actors called add: builtins\.print and builtins\.len; rename one of them"):
        app.include(actor(name="add")(len))


# Watching and sending


@frozen(eq=False)
class Recorder(Middleware):
    """Records all events, and adds an option to each message that is sent."""

    seen: list[Event]

    def on_event(self, event: Event) -> None:
        self.seen.append(event)

    def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
        return Enqueue(enqueue.message.with_options(trace=1), enqueue.delay)


def test_layers_get_events_of_declarations_and_sends_and_may_change_what_is_sent() -> None:
    seen: list[Event] = []
    app = App("memory://", middleware=default_middleware.outside(Retries, Recorder(seen)))
    add = app.actor(name="add")(lambda a, b: a + b)
    app.actor(name="sub")(lambda a, b: a - b)

    assert seen == [
        ActorDeclaring("add", "default"),
        QueueDeclaring("default"),
        QueueDeclared("default"),
        ActorDeclared("add", "default"),
        ActorDeclaring("sub", "default"),
        ActorDeclared("sub", "default"),
    ]
    seen.clear()
    add.send(1, 2)
    add.call(3, 4).delay(50).send()
    app.send_many([add.call(5, 6)])

    assert [type(event) for event in seen] == [Enqueued, Delayed, Enqueued, Enqueued]
    assert [event.message.args for event in seen if isinstance(event, Enqueued)] == [(1, 2), (3, 4), (5, 6)]
    assert [event.message.options["trace"] for event in seen if isinstance(event, Enqueued)] == [1, 1, 1]
    assert [event.delay for event in seen if isinstance(event, Enqueued)] == [0, 50, 0]


def test_a_layer_that_raises_while_watching_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Breaks(Middleware):
        def on_event(self, event: Event) -> None:
            raise ValueError(f"cannot bear {type(event).__name__}")

    app = App("memory://", middleware=default_middleware.outside(Retries, Breaks()))
    add = app.actor(name="add")(lambda a, b: a + b)
    with caplog.at_level(logging.ERROR, "fq"):
        handle = add.send(1, 2)
        app.run_until_idle()

    assert handle.get_result() == 3
    assert "layers raised while watching Enqueued" in caplog.text
    assert "cannot bear Committing" in caplog.text


def test_a_layer_may_veto_a_send_and_the_sender_gets_its_error() -> None:
    class NoTenant(Middleware):
        def on_enqueue(self, enqueue: Enqueue) -> Enqueue:
            raise PermissionError("no tenant")

    app = App("memory://", middleware=default_middleware.outside(Retries, NoTenant()))
    add = app.actor(name="add")(lambda a, b: a + b)

    with pytest.raises(PermissionError, match=r"no tenant"):
        add.send(1, 2)
    assert app.broker.queues() == ()


def test_an_app_shows_where_its_messages_are(tmp_path: Path) -> None:
    assert repr(App("memory://")) == "App('memory://')"
    assert repr(App(f"sqlite:///{tmp_path}/jobs.db")) == f"App('sqlite:///{tmp_path}/jobs.db')"


def test_a_message_that_is_made_already_and_whose_id_is_taken_is_not_sent_again_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[Event] = []
    app = App(broker=MemoryBroker(), middleware=compose(default_middleware, Recorder(seen)))

    @app.actor
    def add(a: int, b: int) -> int:
        return a + b

    app.enqueue(Enqueue(message("add", 1, 2, message_id="m1")))
    seen.clear()
    app.enqueue(Enqueue(message("add", 3, 4, message_id="m1"), 1_000))
    app.enqueue(Enqueue(message("add", 5, 6, message_id="m1")), Enqueue(message("add", 1, 1, message_id="m2")))

    first, second = caplog.messages
    assert first == "add(3, 4) was not sent: a message with its id, m1, waits or runs already, and stays as it is"
    assert second == "1 of 2 messages were not sent: messages with their ids wait or run already, and stay as they are"
    assert [event.message.message_id for event in seen if isinstance(event, Enqueued)] == ["m1", "m2"]
    assert app.run_until_idle() == 2
