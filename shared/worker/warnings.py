"""The events that a ``warn`` limit has reached a step.

Rules of this file:
1. A step is remembered in the transaction of the hold that reached it, and the generation keeps what is to be
   published. So a step is noticed once in a window, whatever is tried again.
2. The events are published after the create, because nobody waits for them. After a crash, whoever continues with the
   generation publishes them again, under the same ids: its request, a check, or its end.
"""

from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.money.limits import Scope
from shared.ports import Dependencies


async def publish_warnings(deps: Dependencies, generation: AnyGeneration) -> None:
    """Publish the warnings of a generation that has opened. Safe to repeat."""
    if not isinstance(generation, Generation) or not generation.notices:
        return
    from shared.core.events.limit_event import LimitEvent  # noqa: PLC0415  # few generations have any

    for notice in (each for each in generation.notices if each.limit.scope is not Scope.APP):
        await deps.messenger.publish(LimitEvent(key=generation.key, notice=notice, at=generation.opened_at))
