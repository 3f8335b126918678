"""What every store of limiters must do."""

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fq.brokers.limits.policy import NO_SHOW_MS, AcquireRequest, Bucket, Granted, Refused, Slot, Slots, Window
from tests.limits.stores import NOW, Backend

TTL = 1_000_000


def ask(limit, owner, token=None, queues_up=False):
    return AcquireRequest(limit.name("k"), limit, owner, token or owner, queues_up)


def slot(owner, token=None, ttl=TTL):
    return Slot("slots:k", owner, token or owner, ttl)


def test_so_many_slots_are_granted_and_no_more(backend: Backend):
    take = lambda owner: backend.limits.store.take(ask(Slots(2, TTL), owner))

    assert take("a") == take("b") == Granted(NOW + TTL)
    assert isinstance(take("c"), Refused)


def test_a_slot_that_is_given_back_is_free(backend: Backend):
    store = backend.limits.store
    store.take(ask(Slots(1, TTL), "a"))

    assert store.release(slot("a"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Granted)


def test_giving_back_twice_harms_nobody(backend: Backend):
    store = backend.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    store.release(slot("a"), learn=True)
    store.take(ask(Slots(1, TTL), "b"))

    assert not store.release(slot("a"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "c")), Refused)


def test_a_slot_that_is_not_renewed_lapses(backend: Backend):
    store = backend.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    backend.advance(TTL - 1)

    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Refused)
    backend.advance(1)
    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Granted)


def test_a_slot_that_is_renewed_does_not_lapse(backend: Backend):
    store = backend.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    backend.advance(TTL - 1)

    assert store.renew(slot("a"))
    backend.advance(TTL - 1)
    assert isinstance(store.take(ask(Slots(1, TTL), "b")), Refused)


def test_who_is_late_neither_renews_nor_frees_what_is_another_s_now(backend: Backend):
    store = backend.limits.store
    store.take(ask(Slots(1, TTL), "a"))
    backend.advance(TTL)
    store.take(ask(Slots(1, TTL), "b"))

    assert not store.renew(slot("a"))
    assert not store.release(slot("a"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "c")), Refused)


def test_another_attempt_of_the_same_owner_takes_its_slot_over(backend: Backend):
    store = backend.limits.store
    store.take(ask(Slots(1, TTL), "m1", "first"))

    assert isinstance(store.take(ask(Slots(1, TTL), "m1", "second")), Granted)
    assert not store.release(slot("m1", "first"), learn=True)
    assert isinstance(store.take(ask(Slots(1, TTL), "m2")), Refused)
    assert store.release(slot("m1", "second"), learn=True)


@pytest.mark.parametrize("limit", [Slots(2, TTL), Window(2, TTL), Bucket(2, TTL)])
def test_a_call_that_is_repeated_takes_no_second_slot(backend: Backend, limit):
    store = backend.limits.store
    answers = [store.take(ask(limit, "m1", "token")) for _ in range(3)]

    assert answers == [Granted(limit.expires_at(NOW))] * 3
    assert isinstance(store.take(ask(limit, "m2")), Granted)


def test_every_attempt_counts_in_a_window_whosever_it_is(backend: Backend):
    store, window = backend.limits.store, Window(2, TTL)

    assert isinstance(store.take(ask(window, "m1", "first")), Granted)
    assert isinstance(store.take(ask(window, "m1", "second")), Granted)
    assert store.take(ask(window, "m1", "third")) == Refused(TTL)


def test_no_window_wherever_it_begins_holds_more_than_the_limit(backend: Backend):
    window, granted = Window(3, 1_000_000), []
    chance = random.Random(1)
    for n in range(200):
        if isinstance(backend.limits.store.take(ask(window, f"m{n}")), Granted):
            granted.append(now(backend))
        backend.advance(chance.randrange(100_000))

    assert len(granted) > 20
    assert all(later - earlier >= 1_000_000 for earlier, later in zip(granted, granted[3:], strict=False))


def now(backend: Backend) -> int:
    """What time it is there: the epoch is a multiple of a bucket of one ms."""
    answer = backend.limits.store.take(AcquireRequest("bucket:1:clock", Bucket(10**6, 1), "clock", str(random.random())))
    assert isinstance(answer, Granted)
    return answer.until - 1


def test_buckets_begin_at_multiples_of_their_length(backend: Backend):
    store, bucket = backend.limits.store, Bucket(1, 1_000_000)
    backend.advance(-NOW % 1_000_000 + 990_000)  # so much before, as a server's own clock forgets a bucket in real time

    assert isinstance(store.take(ask(bucket, "a")), Granted)
    assert store.take(ask(bucket, "b")) == Refused(10_000)
    backend.advance(10_000)
    assert isinstance(store.take(ask(bucket, "b")), Granted)
    assert store.take(ask(bucket, "c")) == Refused(1_000_000)


def test_keys_and_kinds_do_not_meet(backend: Backend):
    store = backend.limits.store
    asks = [
        AcquireRequest(limit.name(key), limit, "m1", "t")
        for key in ("a", "b", "ä:{}")
        for limit in (Slots(1, TTL), Window(1, TTL), Bucket(1, TTL))
    ]

    assert all(isinstance(store.take(one), Granted) for one in asks)


# The line.


def test_a_line_is_served_in_order_and_each_is_told_its_turn(backend: Backend):
    store, window = backend.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    told = [store.take(ask(window, f"m{n}", queues_up=True)) for n in (1, 2, 3)]

    assert told == [Refused(TTL), Refused(2 * TTL), Refused(3 * TTL)]


def test_who_waits_is_not_overtaken_by_who_comes_later(backend: Backend):
    store, window = backend.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    store.take(ask(window, "m1", queues_up=True))
    backend.advance(TTL)

    assert isinstance(store.take(ask(window, "m2", queues_up=True)), Refused)
    assert isinstance(store.take(ask(window, "m3")), Refused)
    assert isinstance(store.take(ask(window, "m1", queues_up=True)), Granted)


def test_a_slot_is_not_kept_for_who_is_not_due_yet(backend: Backend):
    store = backend.limits.store
    store.take(ask(Slots(1, TTL), "m0"))
    store.take(ask(Slots(1, TTL), "m1", queues_up=True))
    store.release(slot("m0"), learn=True)

    assert isinstance(store.take(ask(Slots(1, TTL), "m2")), Granted)


def test_who_does_not_come_back_loses_its_place(backend: Backend):
    store, window = backend.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    store.take(ask(window, "m1", queues_up=True))
    backend.advance(TTL + NO_SHOW_MS - 1)

    assert isinstance(store.take(ask(window, "m2", queues_up=True)), Refused)
    backend.advance(1)
    assert isinstance(store.take(ask(window, "m2", queues_up=True)), Granted)


def test_who_comes_back_too_early_keeps_its_place(backend: Backend):
    store, window = backend.limits.store, Window(1, TTL)
    store.take(ask(window, "m0"))
    for name in ("m1", "m2"):
        store.take(ask(window, name, queues_up=True))
    backend.advance(400_000)

    assert store.take(ask(window, "m2", queues_up=True)) == Refused(1_600_000)
    assert store.take(ask(window, "m1", queues_up=True)) == Refused(600_000)


def test_it_is_learnt_for_how_long_slots_are_held(backend: Backend):
    store, one = backend.limits.store, Slots(1, TTL)
    store.take(ask(one, "m0"))
    backend.advance(1_000)
    store.release(slot("m0"), learn=True)
    store.take(ask(one, "m1"))

    assert store.take(ask(one, "m2")) == Refused(1_000)
    backend.advance(400)
    assert store.take(ask(one, "m2")) == Refused(600)


def test_nothing_is_learnt_from_what_did_not_run(backend: Backend):
    store, one = backend.limits.store, Slots(1, TTL)
    store.take(ask(one, "m0"))
    backend.advance(1_000)
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
def test_all_stores_answer_the_same(backends: list[Backend], kind, limit, steps):
    terms = kind(limit, 400_000)
    key = terms.name(str(next(FRESH)))
    for step in steps:
        match step:
            case "advance", ms:
                for backend in backends:
                    backend.advance(ms)
                continue
            case "take", owner, token, queues_up:
                call = lambda store, owner=owner, token=token, queues_up=queues_up: store.take(
                    AcquireRequest(key, terms, owner, token + owner, queues_up)
                )
            case "renew", owner, token:
                call = lambda store, owner=owner, token=token: store.renew(Slot(key, owner, token + owner, 400_000))
            case "release", owner, token, learn:
                call = lambda store, owner=owner, token=token, learn=learn: store.release(Slot(key, owner, token + owner, 400_000), learn)
        answers = [call(backend.limits.store) for backend in backends]

        assert answers == [answers[0]] * len(backends), step
