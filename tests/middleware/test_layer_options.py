"""The options of a layer as a value, and entries of ``options={...}`` that are probably a slip."""

from datetime import timedelta

import pytest
from attrs import field, frozen, validators
from hypothesis import given
from hypothesis import strategies as st

from fq import Around, LayerOptions, Middleware, OptionError, Retries, Step, TimeLimit
from fq.middleware.layer_options import is_one_edit, refuse_near_misses


@frozen
class OfficeHours(Step):
    opens: int = field(default=0, validator=[validators.ge(0), validators.le(24)])
    closes: int = 24


def test_it_has_the_fields_that_were_given_and_no_others_checked_and_converted() -> None:
    options = OfficeHours.options(opens=9)

    assert options == LayerOptions(OfficeHours, {"opens": 9})
    assert OfficeHours.options(9, closes=17).values == {"opens": 9, "closes": 17}
    assert Retries.options(min_backoff=timedelta(seconds=1)).values == {"min_backoff": 1_000}
    assert TimeLimit.options(time_limit=timedelta(seconds=1)).values == {"time_limit": 1_000}
    assert repr(options) == "OfficeHours.options(opens=9)"


def test_a_wrong_name_and_a_wrong_value_are_refused_where_they_are_written() -> None:
    with pytest.raises(OptionError, match=r"OfficeHours.options: .*unexpected keyword argument 'opns'"):
        OfficeHours.options(opns=9)
    with pytest.raises(OptionError, match=r"OfficeHours.options: 'opens' must be <= 24"):
        OfficeHours.options(opens=25)
    with pytest.raises(OptionError, match=r"Around.options: manager is a field of the class, and no option"):
        Around.options(print)


def test_a_layer_may_have_a_field_of_that_name() -> None:
    @frozen
    class Own(Middleware):
        options: int = 3  # type: ignore[assignment]

    assert Own(options=5).options == 5


ACCEPTED = frozenset(("opens", "closes", "by", "max_retries"))


@pytest.mark.parametrize("name", ["opns", "openss", "opems", "poens", "max_retrie", "maxretries", "max_retires"])
def test_an_entry_one_edit_away_from_an_option_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match=rf"unknown option {name} in options=\{{...\}}: did you mean (opens|max_retries)\?"):
        refuse_near_misses({name: 1}, ACCEPTED)


@pytest.mark.parametrize("name", ["opens", "tenant", "bye", "my", "open_at", "opening", "fq.tags", ""])
def test_an_option_and_an_entry_of_the_user_are_accepted(name: str) -> None:
    refuse_near_misses({name: 1}, ACCEPTED)


words = st.text("abc", max_size=6)


def edits(word: str) -> set[str]:
    """Return all words of the same letters that one edit makes of *word*."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    deleted = {a + b[1:] for a, b in cuts if b}
    inserted = {a + letter + b for a, b in cuts for letter in "abc"}
    replaced = {a + letter + b[1:] for a, b in cuts if b for letter in "abc"}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return (deleted | inserted | replaced | swapped) - {word}


@given(words, words)
def test_one_edit_is_a_letter_more_less_another_or_two_swapped(found: str, meant: str) -> None:
    assert is_one_edit(found, meant) == (found in edits(meant))


@given(words)
def test_every_edit_is_found(word: str) -> None:
    assert all(is_one_edit(edit, word) for edit in edits(word))
