"""Commits that a worker repeats, since it does not know whether an earlier turn has applied them. Pure."""

from collections.abc import Iterable
from typing import TypeAlias

from fq.brokers.records import Commit, Continue

Claim: TypeAlias = tuple[str, int]
"""A claim of a message: the id of the message, and the token."""


def claim_of(commit: Commit) -> Claim:
    """Return the claim that *commit* is for."""
    return commit.message_id, commit.token


def final_claims(commits: Iterable[Commit]) -> set[Claim]:
    """Return the claims that *commits* end: all but those after which a message goes on."""
    return {claim_of(commit) for commit in commits if type(commit.disposition) is not Continue}
