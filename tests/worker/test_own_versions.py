"""A version that an account has trained is a model of this account: at once, at its entry's price, and of no other."""

from dataclasses import replace
from typing import Any

import pytest

from dev.fakes.catalogs import VERSION
from dev.fakes.store import FakeStore
from dev.fakes.world import KEY, World
from shared import worker
from shared.core.catalog.margin import sold
from shared.core.keys import Key
from shared.core.lifecycle.generation import AnyGeneration, Closed, Transition
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import OutcomeUnknown
from shared.core.reasons import Reason
from shared.core.training.versions import TrainedVersion
from shared.ports import Loaded
from tests.worker.modalities import TRAINED_VERSION, opened, train, trained

USING = Key("ada", "two")


async def _use(world: World, key: Key = USING, **said: Any) -> None:
    await world.ask(key=key, **{"model": TRAINED_VERSION, "prompt": "Ada above the harbour", **said})


async def test_the_version_is_saved_with_the_end_of_its_training() -> None:
    """One transaction has both: it is there when the event says so, and before that it is not."""
    world = await opened()
    seen: list[tuple[State, TrainedVersion | None]] = []

    def look(before: AnyGeneration | None, transition: Transition[AnyGeneration]) -> None:
        seen.append((transition.generation.state, transition.version))

    world.store.before_commit.append(look)
    await trained(world)
    version = TrainedVersion(
        name=TRAINED_VERSION,
        entry="portrait",
        trainer="trainer",
        key=KEY,
        made_at=world.generation().ended_at or world.time,
        weights="ada/ada/one/1-0.tar",
    )
    assert seen[-1] == (State.SUCCEEDED, version)
    assert [made for _, made in seen[:-1]] == [None] * (len(seen) - 1)
    assert world.store.saved_versions == {("ada", TRAINED_VERSION): version}


async def test_it_serves_its_account_at_the_price_of_its_entry() -> None:
    """Inputs, tier and credits are those of the entry; what runs is the version."""
    world = await trained(await opened())
    await _use(world)
    _, sent = world.replicate.creates[-1]
    generation = world.generation(USING)
    assert (sent.target, sent.model, sent.entry) == (TRAINED_VERSION, TRAINED_VERSION, "portrait")
    assert sent.inputs == {"prompt": "Ada above the harbour"}
    assert (generation.held_credits, generation.chain) == (7, (TRAINED_VERSION,))


async def test_its_tier_is_that_of_its_entry() -> None:
    """A plan that does not include the entry does not include what was trained."""
    world = await trained(await opened())
    world.pass_time(1)
    await worker.set_plan(world.deps, "ada", "free", worker.Command(command_id="less"))
    await _use(world)
    assert world.events[-1].reason is Reason.PLAN_TOO_LOW


@pytest.mark.parametrize(("credit_usd_micros", "reason"), [(3_000, None), (1, Reason.BELOW_MARGIN)])
async def test_where_a_credit_has_a_price_it_is_offered_if_its_entry_leaves_the_margin(
    credit_usd_micros: int, reason: Reason | None
) -> None:
    """Also to a plan that some other model is not offered to: it has a view of the catalogue of its own."""
    world = await trained(await opened())
    catalog = sold(world.deps.catalog, world.deps.plans, credit_usd_micros)
    assert set(catalog.by_plan) == set(world.deps.plans)
    world.deps = replace(world.deps, catalog=catalog)
    await _use(world)
    generation = world.store.saved_generations[USING]
    assert (isinstance(generation, Closed), getattr(generation, "reason", None)) == (reason is not None, reason)
    assert world.account().held == (0 if reason else 7)


@pytest.mark.parametrize("model", [TRAINED_VERSION, "ada/lora:" + "0" * 64, "ada/lora", "portrait"])
async def test_to_another_account_it_is_a_model_that_there_never_was(model: str) -> None:
    """The same words for a version of another account, one that nobody trained, and the entry itself."""
    world = await trained(await opened())
    await world.open_account("bob")
    await _use(world, Key("bob", "two"), model=model)
    event = world.events[-1]
    assert (event.key.account_id, event.reason) == ("bob", Reason.UNKNOWN_MODEL)
    assert TRAINED_VERSION not in event.text
    assert world.balances("bob")[1:] == (0, 0)


class _Counted(FakeStore):
    """Notes which version each load reads."""

    def __init__(self, like: FakeStore) -> None:
        super().__init__()
        self.__dict__.update(like.__dict__)
        self.read: list[str] = []

    async def load(self, key: Key, version: str = "") -> Loaded:
        self.read.append(version)
        return await super().load(key, version)


@pytest.mark.parametrize(
    ("model", "read"), [(TRAINED_VERSION, [TRAINED_VERSION]), ("writer", [""]), ("owner/song:" + VERSION, [""])]
)
async def test_its_row_is_read_with_the_others_and_only_if_it_is_named(model: str, read: list[str]) -> None:
    """No load more for either: a request for a catalogue's model reads no version."""
    world = await trained(await opened())
    store = _Counted(world.store)
    world.deps = replace(world.deps, store=store)
    await _use(world, model=model)
    assert store.read == read
    ran = "song" if "song" in model else model
    assert world.generation(USING).attempt.model == ran


async def test_a_lost_create_is_tried_again_on_the_version() -> None:
    """The timer has the attempt alone, and its entry is enough."""
    world = await trained(await opened())
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await _use(world)
    await world.tick(600)
    await world.tick(600)
    attempt = world.generation(USING).attempt
    assert (attempt.number, attempt.target, attempt.entry) == (2, TRAINED_VERSION, "portrait")


@pytest.mark.parametrize(
    "name", ["eve/lora:" + "5" * 64, "ada/lora:latest", "ada/lora", "ada/lora:" + "5" * 64 + "\n", ""], ids=repr
)
async def test_only_a_version_of_the_destination_becomes_a_model(name: str) -> None:
    """The name comes from the provider: another one is in the event, and no row is written."""
    world = await opened()
    await train(world)
    done = world.replicate.train(world.replicate.only_id)
    outputs = tuple(name if each == TRAINED_VERSION else each for each in done.outputs)
    world.replicate.predictions[done.prediction_id] = replace(done, outputs=outputs)
    await world.webhook(done.prediction_id)
    assert world.generation().state.ended
    assert world.store.saved_versions == {}


HOSTED = "https://weights.example.com/ada/a.safetensors?x=1"


@pytest.mark.parametrize(
    ("weights", "sent"), [(TRAINED_VERSION, TRAINED_VERSION.replace(":", "/")), (HOSTED, HOSTED)], ids=["own", "hosted"]
)
async def test_a_base_model_loads_a_version_of_the_account_or_weights_of_a_listed_host(weights: str, sent: str) -> None:
    """A version in the form in which models load one; its row is read with the others."""
    world = await trained(await opened())
    store = _Counted(world.store)
    policy = replace(world.deps.policy, lora_hosts=frozenset({"weights.example.com"}))
    world.deps = replace(world.deps, store=store, policy=policy)
    await _use(world, model="loads", lora_weights=weights)
    assert world.replicate.creates[-1][1].inputs == {"prompt": "Ada above the harbour", "lora_weights": sent}
    assert store.read == [TRAINED_VERSION if weights == TRAINED_VERSION else ""]


@pytest.mark.parametrize(
    "weights",
    [
        TRAINED_VERSION,
        "bob/lora:" + "0" * 64,
        "https://weights.example.com.evil.example/a",
        "https://evil.example/weights.example.com/a",
        "https://10.0.0.7/a",
        "https://localhost/a",
        "https://WEIGHTS.example.com/a",
    ],
)
async def test_weights_of_another_account_or_host_are_refused_before_anything_is_held(weights: str) -> None:
    """In the same words, and nothing is sent."""
    world = await trained(await opened())
    await world.open_account("bob")
    policy = replace(world.deps.policy, lora_hosts=frozenset({"weights.example.com"}))
    world.deps = replace(world.deps, policy=policy)
    creates = len(world.replicate.creates)
    await _use(world, Key("bob", "two"), model="loads", lora_weights=weights)
    assert world.events[-1].reason is Reason.INVALID_REQUEST
    assert world.events[-1].text.startswith("lora_weights is not known.")
    assert len(world.replicate.creates) == creates
    assert world.balances("bob")[1:] == (0, 0)


@pytest.mark.parametrize(
    "weights",
    [
        "http://weights.example.com/a",
        "https://u:p@weights.example.com/a",
        "ada/lora",
        "https://weights.example.com:8443/a",
    ],
)
async def test_what_is_no_name_of_weights_is_refused(weights: str) -> None:
    """No other scheme, no login, no port, no latest version."""
    world = await opened()
    await _use(world, model="loads", lora_weights=weights)
    assert world.events[-1].text.startswith("lora_weights must be a version that your account has trained")
