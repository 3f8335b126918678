"""Options of workflows that no fq has written: a message with one ends as a dead letter that says what is wrong."""

import pytest

from fq import App
from fq.core.outcome import Enqueue
from fq.execution.outcome_encoding import to_op
from fq.testing import message


@pytest.mark.parametrize("arguments", [(), ([1, 2],), ("text",)], ids=str)
@pytest.mark.parametrize("gathered", ["text", [], 1, {"takes": 1}, {"takes": "last", "below": "x"}, {"takes": None, "aside": 3}], ids=str)
def test_a_message_that_says_wrongly_that_a_group_precedes_it_ends_with_what_is_wrong(
    gathered: object, arguments: tuple[object, ...]
) -> None:
    app = App("memory://")
    runs: list[object] = []

    @app.actor(max_retries=0)
    def act(*values: object) -> None:
        runs.append(values)

    foreign = message("act", *arguments).with_options(**{"fq.gathered": gathered, "fq.pipe": [{"actor_name": "act"}]})
    app.broker.enqueue([to_op(Enqueue(foreign))])
    app.run_until_idle()
    (letter,) = app.broker.dead_letters()

    assert runs == []
    assert letter.fault.type in ("OptionError", "LayerError")
    assert "fq.gathered: found" in letter.fault.message
