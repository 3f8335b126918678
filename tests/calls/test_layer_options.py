"""`Middleware.options` of a user's own layer on actors and on calls, and slips in ``options={...}``."""

import pytest
from attrs import frozen

from fq import App, Message, OptionError, Outcome, Retries, Step, default_middleware


@frozen
class OfficeHours(Step):
    """Answers with the hours that hold for a message."""

    opens: int = 0
    closes: int = 24
    kind: type = int

    def before(self, message: Message) -> Message | Outcome:
        return Outcome.success([self.opens, self.closes])


@frozen
class Shop(Step):
    opens: int = 5


@pytest.fixture
def app() -> App:
    return App("memory://", middleware=default_middleware.add(OfficeHours(closes=18)).add(Shop()))


def test_an_actor_overrides_the_fields_that_it_names_and_keeps_those_of_the_app(app: App) -> None:
    @app.actor(OfficeHours.options(opens=9), Retries.options(max_retries=1), priority=3)
    def report() -> None: ...

    @app.actor
    def other() -> None: ...

    stack = app.stack_of(report)
    assert stack.get(OfficeHours) == OfficeHours(opens=9, closes=18)
    assert stack.get(Shop) == Shop(5)  # another layer, whose field has the same name
    assert stack.get(Retries).max_retries == 1
    assert app.stack_of(other).get(OfficeHours) == OfficeHours(closes=18)


def test_a_call_overrides_those_of_the_actor(app: App) -> None:
    @app.actor(OfficeHours.options(opens=9))
    def report() -> list[int]: ...

    handles = [report.send(), report.call().with_options(OfficeHours.options(opens=0, closes=12), priority=1).send()]
    app.run_until_idle()

    assert [handle.get_result() for handle in handles] == [[9, 18], [0, 12]]


def test_in_a_pipeline_and_a_group_they_are_for_the_last_step(app: App) -> None:
    @app.actor
    def step(n: int) -> int:
        return n

    early = OfficeHours.options(opens=0)
    pipeline = (step.call(1) | step).with_options(early)
    group = app.group([step.call(1)]).with_options(early)

    assert [dict(step.options) for step in pipeline.steps] == [{}, {"opens": 0}]
    assert dict(group.steps[0].members[0][0].options) == {"opens": 0}


def test_they_survive_an_edit_of_the_stack(app: App) -> None:
    @app.actor(OfficeHours.options(opens=9))
    def report() -> None: ...

    app.edit_stack(lambda stack: stack.replace(OfficeHours(closes=20)))

    assert app.stack_of(report).get(OfficeHours) == OfficeHours(opens=9, closes=20)


def test_a_layer_that_the_stack_lacks_is_an_error(app: App) -> None:
    app.edit_stack(lambda stack: stack.without(Shop))
    text = r"Shop.options\(opens=9\): the stack has no Shop; it has .*OfficeHours"

    with pytest.raises(OptionError, match=f"actor report: {text}"):

        @app.actor(Shop.options(opens=9))
        def report() -> None: ...

    @app.actor(Shop(opens=9))
    def other() -> None: ...

    assert app.stack_of(other).get(Shop) == Shop(9)
    with pytest.raises(OptionError, match=text):
        app.actor(name="third")(lambda: None).call().with_options(Shop.options(opens=9))


def test_an_option_is_given_once(app: App) -> None:
    with pytest.raises(OptionError, match=r"Retries.options\(max_retries=1\): the option max_retries is given twice"):

        @app.actor(Retries.options(max_retries=1), max_retries=2)
        def report() -> None: ...

    call = app.actor(name="other")(lambda: None).call()
    with pytest.raises(OptionError, match="the option opens is given twice"):
        call.with_options(OfficeHours.options(opens=1), Shop.options(opens=2))


def test_what_cannot_travel_is_for_actors_alone(app: App) -> None:
    @app.actor(OfficeHours.options(kind=str))
    def report() -> None: ...

    assert app.stack_of(report).get(OfficeHours).kind is str
    with pytest.raises(OptionError, match="cannot travel in a message, which is JSON: give it to the actor"):
        report.call().with_options(OfficeHours.options(kind=str))
    with pytest.raises(OptionError, match=r"found OfficeHours\(.*expected options of a layer: write OfficeHours.options"):
        report.call().with_options(OfficeHours(opens=3))


@pytest.mark.parametrize(("name", "meant"), [("opns", "opens"), ("max_retrie", "max_retries"), ("clsoes", "closes")])
def test_a_slip_in_options_is_refused_on_actors_and_calls(app: App, name: str, meant: str) -> None:
    with pytest.raises(OptionError, match=f"actor report: unknown option {name} in .*: did you mean {meant}?"):

        @app.actor(options={name: 1})
        def report() -> None: ...

    with pytest.raises(OptionError, match=f"actor local: unknown option {name} in .*: did you mean {meant}?"):
        app.actor(name="local", options={name: int})(lambda: None)
    with pytest.raises(OptionError, match=f"unknown option {name} in .*: did you mean {meant}?"):
        app.actor(name="fine", options={"tenant": "acme"})(lambda: None).call().with_options(options={name: 1})
