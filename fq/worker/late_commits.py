"""`late_claims`: which of the commits of a turn came too late. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import attrgetter

from fq.brokers.planning.repeated_commits import Claim, claim_of
from fq.brokers.records import Commit


def late_claims(commits: Iterable[Commit], stale: Sequence[str]) -> frozenset[Claim]:
    """
    Return the claims of those of *commits* that a turn took for *stale*, which has an id for each of them.

    A worker that lost its lease may claim a message again while it still runs it, and commit for both claims in one turn. The later claim has the higher token.
    """
    left = Counter(stale)
    found: set[Claim] = set()
    for commit in sorted((commit for commit in commits if commit.message_id in left), key=attrgetter("token")):
        if left[commit.message_id]:
            left[commit.message_id] -= 1
            found.add(claim_of(commit))
    return frozenset(found)
