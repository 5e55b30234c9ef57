"""The refund of an ended generation: the one save after its end. Its state stays.

All refunds together are at most what it captured, because the generation keeps what was refunded, and both are saved in
one transaction.
"""

from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.steps import Step, happened
from shared.core.money import moves
from shared.core.money.account import Account
from shared.core.money.moves import Posting
from shared.core.values import replace


def refunded(
    generation: Generation, account: Account, amount: int, refund_id: str, posting: Posting
) -> Transition[Generation]:
    """Give back ``amount`` of the captured credits. Raises ValueError for more than is left of them."""
    if not generation.state.ended:
        raise ValueError("a generation that has not ended captured nothing yet")
    left = generation.captured_credits - generation.refunded_credits
    moved = moves.refund(
        account, generation.hold, left, amount, refund_id=refund_id, key=generation.key, posting=posting
    )
    after = replace(generation, refunded_credits=generation.refunded_credits + amount)
    return Transition(after).moving(moved).after(happened(Step.REFUNDED, credits=amount))
