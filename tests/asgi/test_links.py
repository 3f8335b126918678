"""What stands for a task in a path, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fq import App, ConfigError, OptionError
from fq.asgi.links import TaskLinks
from tests.asgi.conftest import SECRET

LINKS = TaskLinks(SECRET)
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)


@given(IDS, st.sampled_from([SECRET, None]))
def test_a_link_is_one_segment_of_a_path_and_is_read_as_its_id(message_id: str, secret: str | None) -> None:
    links = TaskLinks(secret)
    link = links.make(message_id)

    assert links.read(link) == (message_id,)
    assert set(link).isdisjoint("/%?#&+ \\\n")
    assert link.isascii()


@given(st.text(max_size=60))
def test_what_was_not_signed_is_no_link(link: str) -> None:
    assert LINKS.read(link) is None


def test_a_changed_link_is_none() -> None:
    link = LINKS.make("m1")
    changed = ["x" + link, link[:-1], link + "A", link.replace(".", ".2."), link + ".2", "m1", "m1.", link.upper()]

    assert list(map(LINKS.read, changed)) == [None] * len(changed)


def test_a_link_of_another_secret_is_none() -> None:
    assert TaskLinks("another secret, as long").read(LINKS.make("m1")) is None


def test_a_link_without_a_secret_names_one_message() -> None:
    assert TaskLinks(None).read("m1.3") is None


def test_a_pipeline_has_a_link_to_all_its_steps(memory_app: App) -> None:
    add = memory_app.get_actor("add")
    handle = (add.call(1, 2) | add.call(3) | add.call(4)).send()

    assert LINKS.read(LINKS.of(handle)) == tuple(handle.message_ids())


def test_a_group_has_no_signed_link(memory_app: App) -> None:
    add = memory_app.get_actor("add")
    for call in (memory_app.group([add.call(1, 2)]), memory_app.group([add.call(1, 2)]) | memory_app.get_actor("fail").call()):
        with pytest.raises(OptionError, match="let `access` return the handle"):
            LINKS.of(call.send())


@pytest.mark.parametrize("secret", ["", "short", b"15 bytes long.."], ids=repr)
def test_a_short_secret_is_refused(secret: str | bytes) -> None:
    with pytest.raises(ConfigError, match="expected 16 at least"):
        TaskLinks(secret)


def test_a_secret_is_not_printed() -> None:
    assert SECRET not in repr(LINKS)
