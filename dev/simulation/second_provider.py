"""Runs every flow at a provider with other guarantees: it has an idempotency key and no list."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from dev.fakes.second_provider import on_second
from dev.simulation.flows import FLOWS
from dev.simulation.logs import UNREAD
from dev.simulation.schedules import Faced, Stage


def _at_second(prepare: Callable[[Stage], Awaitable[Faced]]) -> Callable[[Stage], Awaitable[Faced]]:
    async def prepared(stage: Stage) -> Faced:
        replicate = on_second(stage.world).replicate
        replicate.chunk_bytes, replicate.fetched = 5, UNREAD  # two chunks an image, as for the first provider
        return await prepare(stage)

    return prepared


SECOND_FLOWS = tuple(
    replace(flow, name=f"{flow.name}, at a second provider", prepare=_at_second(flow.prepare)) for flow in FLOWS
)

#: The flows in which these guarantees matter. A create of each kind is under way, or its outcome is unknown. Or the
#: provider does not know a training any more: no ``Cancel-After`` ends it, and no list says whether it still runs. What
#: is asked for, what pays for it, and what it waited for before change nothing in that: the command runs those, too.
MATTERS = (
    *("request", "request that is deferred", "request for a training", "webhook after a lost answer"),
    *("check of SUBMITTING, created", "check of SUBMITTING, lost", "check of WAITING", "cancel of SUBMITTING"),
    *("dead request, SUBMITTING", "check of a create by a trained version, lost", "check of a training, lost"),
    "check of a training, vanished",
)

DIFFERING = tuple(second for flow, second in zip(FLOWS, SECOND_FLOWS, strict=True) if flow.name in MATTERS)
