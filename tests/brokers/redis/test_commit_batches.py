"""Which commits share a script, and which do not, decided without a server."""

from attrs import evolve

from fq.brokers.records import ACK, ArriveOp, Commit, DeferredEnqueue, EnqueueOp, Operation, SetMarkOp, StoreResultOp, UniqueKey
from fq.brokers.redis.commit_batches import split_commits


def commit(message_id: str, *operations: Operation) -> Commit:
    return Commit(message_id, "q", 1, ACK, operations)


def enqueue_op(message_id: str) -> EnqueueOp:
    return EnqueueOp(message_id, "q", "act", 0, 0, b"")


def keep(message_id: str) -> StoreResultOp:
    return StoreResultOp(message_id, b"", 1)


def split(*commits: Commit, most: int = 100) -> list[str]:
    return ["".join(each.message_id for each in batch) for batch in split_commits(commits, most)]


def test_no_commits_are_one_batch() -> None:
    assert split_commits((), 100) == [()]


def test_ordinary_commits_share_a_batch() -> None:
    assert split(commit("a"), commit("b", keep("b")), commit("c", enqueue_op("x"), keep("c")), commit("d", enqueue_op("y"))) == ["abcd"]


def test_a_batch_has_no_more_than_it_may() -> None:
    assert split(*map(commit, "abcde"), most=2) == ["ab", "cd", "e"]


def test_a_message_is_only_once_in_a_batch() -> None:
    assert split(commit("a"), commit("b"), commit("a"), commit("a")) == ["ab", "a", "a"]


def test_what_a_commit_posts_is_there_before_another_commit_is_about_it() -> None:
    assert split(commit("a", enqueue_op("b")), commit("b")) == ["a", "b"]
    assert split(commit("a", ArriveOp("g", 0, 1, b"", (DeferredEnqueue(enqueue_op("b"), b"", b""),), 1)), commit("b")) == ["a", "b"]
    assert split(commit("b"), commit("a", enqueue_op("b"))) == ["ba"]


def test_of_two_results_of_one_message_the_later_stays() -> None:
    assert split(commit("a", keep("x")), commit("b", keep("x"))) == ["a", "b"]
    assert split(commit("a", keep("x"), keep("x")), commit("b")) == ["ab"]


def test_a_batch_posts_no_more_than_it_may_unless_one_commit_does() -> None:
    two = [commit(name, enqueue_op(f"{name}1"), enqueue_op(f"{name}2")) for name in "abc"]

    assert split(*two, most=4) == ["ab", "c"]
    assert split(*two, most=3) == ["a", "b", "c"]
    assert split(commit("x"), two[0], commit("y"), most=1) == ["x", "a", "y"]
    assert split(commit("x"), commit("y"), two[0], commit("z"), most=3) == ["xya", "z"]


def test_a_batch_ends_after_a_message_with_a_unique_key_which_later_commits_may_free() -> None:
    unique = evolve(enqueue_op("x"), unique=UniqueKey("k"))

    assert split(commit("a"), commit("b", unique), commit("c"), commit("d")) == ["ab", "cd"]
    assert split(commit("a", SetMarkOp("m", b"", then=(unique,))), commit("b")) == ["a", "b"]
    assert split(commit("a"), commit("b", unique)) == ["ab"]


def test_commits_that_set_marks_share_a_batch_but_not_with_what_they_enqueue() -> None:
    mark = SetMarkOp("m", b"", then=(enqueue_op("x"),))

    assert split(commit("a", mark), commit("b", SetMarkOp("m", None)), commit("x")) == ["ab", "x"]
    assert split(commit("a", mark), commit("b", mark), most=1) == ["a", "b"]
