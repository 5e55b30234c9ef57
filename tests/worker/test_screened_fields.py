"""Every text that a user writes is screened, whichever field has it."""

from typing import get_type_hints

import pytest

from dev.fakes.catalogs import NOTED, writing
from dev.fakes.world import World
from shared.core.lifecycle.generation import Closed
from shared.core.lifecycle.state import State
from shared.core.money.entries import Move
from shared.core.reasons import Reason
from shared.core.requests.messages import GenerationRequest
from tests.core.test_request_fields import NAMES, OUTSIDE

#: By the dataclass, not by the table that the code goes by: a text that is new is here until it is declared a name.
TEXTS = sorted(name for name, hint in get_type_hints(GenerationRequest).items() if "str" in str(hint))
WRITTEN = [name for name in TEXTS if name not in NAMES | OUTSIDE]


@pytest.mark.parametrize("name", WRITTEN)
async def test_every_written_text_is_screened(name: str) -> None:
    """Before anything is created; and it is refused for what it says, with nothing held or created."""
    world = World(catalog=NOTED)
    await world.open_account()
    await world.ask(**writing(name, "a gory sight"))
    (screened,) = world.screener.texts
    assert "a gory sight" in screened.split("\n\n")
    generation = world.saved()
    assert (generation.state, generation.reason) == (State.REJECTED, Reason.PROMPT_REFUSED)
    assert not world.replicate.creates
    assert isinstance(generation, Closed)
    assert set(world.store.entries_of(generation.key)) == {Move.ENDED_UNOPENED}
