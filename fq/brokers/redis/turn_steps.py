"""`TurnPlan`: the steps of a turn, each of which is one script or a few, and how far it is."""

from collections.abc import Sequence
from enum import Enum

from attrs import Factory, define, frozen

from fq.brokers.records import ClaimRequest, Commit
from fq.brokers.redis.unfinished_turns import UnfinishedTurn


class TurnStep(Enum):
    """What a turn does next."""

    HAND_BACK = "hand back deliveries beyond the limit, which an earlier turn without a reply has claimed"
    COMMIT = "apply a batch of commits, not the last"
    CLAIM = "apply the last batch of commits, and claim"
    RECLAIM = "take back what workers have claimed whose leases have run out"
    CLAIM_MORE = "claim what is missing: one script claims no more than so much, or what was taken back is ready now"
    DONE = "nothing"


@frozen
class TurnPart:
    """
    What a turn is in a turn over several namespaces: all of it, if there is one.

    *first_may_be_larger*: may the first message be larger than what the claim has room for? *takes_back*: does it take back what dead workers hold?
    """

    first_may_be_larger: bool = True
    takes_back: bool = True


WHOLE_TURN = TurnPart()


@define
class TurnPlan:
    """
    The turn of *claim*, whose commits are in *batches*, the first *cursor* of which have been applied. Mutable.

    A turn that fails is planned anew when its caller calls again: what came of it is in its `UnfinishedTurn`.
    """

    claim: ClaimRequest
    channel: str
    batches: Sequence[Sequence[Commit]]
    part: TurnPart = WHOLE_TURN
    cursor: int = 0
    expired: list[tuple[bytes, bytes]] = Factory(list)
    may_claim_more: bool = False

    def next_step(self, turn: UnfinishedTurn) -> TurnStep:
        """Return what is to be done next, after what has come of *turn* so far."""
        if turn.deliveries and len(turn.deliveries) > self.claim.limit:
            return TurnStep.HAND_BACK
        if self.cursor < len(self.batches):
            return TurnStep.CLAIM if self.cursor == len(self.batches) - 1 else TurnStep.COMMIT
        if self.expired:
            return TurnStep.RECLAIM
        if self.may_claim_more and len(turn.deliveries) < self.claim.limit:
            return TurnStep.CLAIM_MORE
        return TurnStep.DONE

    def next_batch(self) -> Sequence[Commit]:
        """Return the next batch of commits; it counts as applied unless the turn fails."""
        self.cursor += 1
        return self.batches[self.cursor - 1]

    def take_expired(self) -> list[tuple[bytes, bytes]]:
        """Return the workers whose leases have run out, with what is remembered of each, and forget them."""
        expired, self.expired = self.expired, []
        return expired
