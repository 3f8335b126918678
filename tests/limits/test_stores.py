"""What every store of limiters must do."""

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fq.brokers.limits.policy import NO_SHOW_MS, AcquireRequest, Bucket, Granted, Refused, Slot, Slots, Window
from tests.limits.stores import NOW, Place

TTL = 1_000_000


def ask(limit, owner, token=None, queues_up=False):
    return AcquireRequest(limit.name("k"), limit, owner, token or owner, queues_up)


def slot(owner, token=None, ttl=TTL):
    return Slot("slots:k", owner, token or owner, ttl)


def test_so_many_slots_are_granted_and_no_more(place: Place):
    take = lambda owner: place.limits.store.take(ask(Slots(2, TTL), owner))

    assert take("a") == take("b") == Granted(NOW + TTL)
    assert isinstance(take("c"), Refused)


def test_a_slot_that_is_given_back_is_free(place: Place):
    store = place.limits.store
    store.take(ask(Slots(1, TTL), "a"))

    assert store.release(slot("a"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Granted)


def test_giving_back_twice_harms_nobody(place: Place):
    store = place.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    store.release(slot("a"), learn=True)
    store.take(ask(Slots(1, TTL), "b"))

    assert not store.release(slot("a"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "c")), Refused)


def test_a_slot_that_is_not_renewed_lapses(place: Place):
    store = place.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    place.advance(TTL - 1)

    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Refused)
    place.advance(1)
    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Granted)


def test_a_slot_that_is_renewed_does_not_lapse(place: Place):
    store = place.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    place.advance(TTL - 1)

    assert store.renew(slot("a"))
    place.advance(TTL - 1)
    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Refused)


def test_who_is_late_neither_renews_nor_frees_what_is_another_s_now(place: Place):
    store = place.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    place.advance(TTL)
    store.take(ask(Slots(1, TTL), "b"))

    assert not store.renew(slot("a"))
    assert not store.release(slot("a"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "c")), Refused)


def test_another_attempt_of_the_same_owner_takes_its_slot_over(place: Place):
    store = place.limits.store
    store.take(ask(Slots(1, TTL), "m1", "first"))

    assert isinstance(store.take(ask(Slots(1, TTL), "m1", "second")), Granted)
    assert not store.release(slot("m1", "first"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "m2")), Refused)
    assert store.release(slot("m1", "second"), learn=True)


@pytest.mark.parametrize("limit", [Slots(2, TTL), Window(2, TTL), Bucket(2, TTL)])
def test_a_call_that_is_repeated_takes_no_second_slot(place: Place, limit):
    store = place.limits.store
    answers = [store.take(ask(limit, "m1", "token")) for _ in range(3)]

    assert answers == [Granted(limit.expires_at(NOW))] * 3
    assert isinstance(store.take(ask(limit, "m2")), Granted)


def test_every_attempt_counts_in_a_window_whosever_it_is(place: Place):
    store, window = place.limits.store, Window(2, TTL)

    assert isinstance(store.take(ask(window, "m1", "first")), Granted)
    assert isinstance(store.take(ask(window, "m1", "second")), Granted)
    assert store.take(ask(window, "m1", "third")) == Refused(TTL)


def test_no_window_wherever_it_begins_holds_more_than_the_limit(place: Place):
    window, granted = Window(3, 1_000_000), []
    chance = random.Random(1)
    for n in range(200):
        if isinstance(place.limits.store.take(ask(window, f"m{n}")), Granted):
            granted.append(now(place))
        place.advance(chance.randrange(100_000))

    assert len(granted) > 20
    assert all(later - earlier >= 1_000_000 for earlier, later in zip(granted, granted[3:], strict=False))


def now(place: Place) -> int:
    """What time it is there: the epoch is a multiple of a bucket of one ms."""
    answer = place.limits.store.take(AcquireRequest("bucket:1:clock", Bucket(10**6, 1), "clock", str(random.random())))
    assert isinstance(answer, Granted)
    return answer.until - 1


def test_buckets_begin_at_multiples_of_their_length(place: Place):
    store, bucket = place.limits.store, Bucket(1, 1_000_000)
    place.advance(-NOW % 1_000_000 + 990_000)  # so much before, as a server's own clock forgets a bucket in real time

    assert isinstance(store.take(ask(bucket, "a")), Granted)
    assert store.take(ask(bucket, "b")) == Refused(10_000)
    place.advance(10_000)
    assert isinstance(store.take(ask(bucket, "b")), Granted)
    assert store.take(ask(bucket, "c")) == Refused(1_000_000)


def test_keys_and_kinds_do_not_meet(place: Place):
    store = place.limits.store
    asks = [
        AcquireRequest(limit.name(key), limit, "m1", "t")
        for key in ("a", "b", "ä:{}")
        for limit in (Slots(1, TTL), Window(1, TTL), Bucket(1, TTL))
    ]

    assert all(isinstance(store.take(one), Granted) for one in asks)


# The line.


def test_a_line_is_served_in_order_and_each_is_told_its_turn(place: Place):
    store, window = place.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    told = [store.take(ask(window, f"m{n}", queues_up=True)) for n in (1, 2, 3)]

    assert told == [Refused(TTL), Refused(2 * TTL), Refused(3 * TTL)]


def test_who_waits_is_not_overtaken_by_who_comes_later(place: Place):
    store, window = place.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    store.take(ask(window, "m1", queues_up=True))
    place.advance(TTL)

    assert isinstance(store.take(ask(window, "m2", queues_up=True)), Refused)
    assert isinstance(store.take(ask(window, "m3")), Refused)
    assert isinstance(store.take(ask(window, "m1", queues_up=True)), Granted)


def test_a_slot_is_not_kept_for_who_is_not_due_yet(place: Place):
    store = place.limits.store
    store.take(ask(Slots(1, TTL), "m0"))
    store.take(ask(Slots(1, TTL), "m1", queues_up=True))
    store.release(slot("m0"), learn=True)

    assert isinstance(store.take(ask(Slots(1, TTL), "m2")), Granted)


def test_who_does_not_come_back_loses_its_place(place: Place):
    store, window = place.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    store.take(ask(window, "m1", queues_up=True))
    place.advance(TTL + NO_SHOW_MS - 1)

    assert isinstance(store.take(ask(window, "m2", queues_up=True)), Refused)
    place.advance(1)
    assert isinstance(store.take(ask(window, "m2", queues_up=True)), Granted)


def test_who_comes_back_too_early_keeps_its_place(place: Place):
    store, window = place.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    for name in ("m1", "m2"):
        store.take(ask(window, name, queues_up=True))
    place.advance(400_000)

    assert store.take(ask(window, "m2", queues_up=True)) == Refused(1_600_000)
    assert store.take(ask(window, "m1", queues_up=True)) == Refused(600_000)


def test_it_is_learnt_for_how_long_slots_are_held(place: Place):
    store, one = place.limits.store, Slots(1, TTL)
    store.take(ask(one, "m0"))
    place.advance(1_000)
    store.release(slot("m0"), learn=True)
    store.take(ask(one, "m1"))

    assert store.take(ask(one, "m2")) == Refused(1_000)
    place.advance(400)
    assert store.take(ask(one, "m2")) == Refused(600)


def test_nothing_is_learnt_from_what_did_not_run(place: Place):
    store, one = place.limits.store, Slots(1, TTL)
    store.take(ask(one, "m0"))
    place.advance(1_000)
    store.release(slot("m0"), learn=False)
    store.take(ask(one, "m1"))

    assert store.take(ask(one, "m2")) == Refused(10)


# The stores among themselves.

STEPS = st.one_of(
    st.tuples(st.just("advance"), st.sampled_from([1, 1_000, 60_000, 100_000, 1_000_000])),
    st.tuples(st.just("take"), st.sampled_from("abcdefgh"), st.sampled_from("12"), st.booleans()),
    st.tuples(st.just("renew"), st.sampled_from("abcdefgh"), st.sampled_from("12")),
    st.tuples(st.just("release"), st.sampled_from("abcdefgh"), st.sampled_from("12"), st.booleans()),
)


FRESH = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from([Slots, Window, Bucket]), limit=st.integers(1, 3), steps=st.lists(STEPS, max_size=40))
def test_all_stores_answer_the_same(places: list[Place], kind, limit, steps):
    terms = kind(limit, 400_000)
    key = terms.name(str(next(FRESH)))
    for step in steps:
        match step:
            case "advance", ms:
                for place in places:
                    place.advance(ms)
                continue
            case "take", owner, token, queues_up:
                call = lambda store, owner=owner, token=token, queues_up=queues_up: store.take(
                    AcquireRequest(key, terms, owner, token + owner, queues_up)
                )
            case "renew", owner, token:
                call = lambda store, owner=owner, token=token: store.renew(Slot(key, owner, token + owner, 400_000))
            case "release", owner, token, learn:
                call = lambda store, owner=owner, token=token, learn=learn: store.release(Slot(key, owner, token + owner, 400_000), learn)
        answers = [call(place.limits.store) for place in places]

        assert answers == [answers[0]] * len(places), step
