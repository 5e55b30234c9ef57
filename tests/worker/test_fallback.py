"""Fallback from request to event: what goes to another model, what never does, and what the event says of it."""

from typing import Any

import pytest

from dev.fakes.catalogs import IMAGE, NOTE, SEED, TEXT, catalog, model
from dev.fakes.screener import UNSAFE_IMAGE
from dev.fakes.world import World, facts
from shared.core.events.generation_event import ChosenBy
from shared.core.lifecycle.state import State
from shared.core.provider.prediction import CreateOutcome, CreateRefused, DeferReason, NotCreated, OutcomeUnknown
from shared.core.reasons import SENTENCES, Reason
from shared.core.requests.fields import WRITTEN
from tests.worker.modalities import opened

PICTURE = "https://pictures.example/cat.png"
PASSING = "Prediction interrupted; please retry (code: PA)"

CATALOG = catalog(
    {
        "best": model(
            {"prompt": TEXT, "image": IMAGE, "seed": SEED},
            replicate="owner/best",
            credits=5,
            fallback=["good", "plain"],
            settable={"note": NOTE},
        ),
        "good": model({"prompt": TEXT, "picture": IMAGE, "seed": SEED}, replicate="owner/good", credits=3),
        "plain": model(replicate="owner/plain"),
        "old": model(replicate="owner/old", status="retired", successor="best", inputs={}),
    }
)


async def asked(**said: Any) -> World:
    """A picture was asked of the best model."""
    world = await opened(of=CATALOG)
    world.inputs.files[PICTURE] = b"a cat"
    await world.ask(**{"model": "best"} | said)
    return world


async def failed(world: World, error: str) -> None:
    """The latest prediction fails, and all that follows is carried."""
    world.replicate.fail(world.replicate.ids()[-1], error)
    await world.webhook(world.replicate.ids()[-1])
    await world.pump()


async def succeeded(world: World, content: bytes = b"a picture") -> None:
    """Let the latest prediction succeed."""
    world.replicate.succeed(world.replicate.ids()[-1], [content])
    await world.webhook(world.replicate.ids()[-1])


def models(world: World) -> list[str]:
    """The models that were asked, in order."""
    return [attempt.model for _, attempt in world.replicate.creates]


async def test_another_model_answers_and_the_event_says_why() -> None:
    """The input is mapped anew, the price is the one of the model that answered, the rest is released."""
    world = await asked(seed=0, image_url=PICTURE)
    assert world.balances() == (995, 5, 0)
    await failed(world, PASSING)
    await succeeded(world)
    (first, second) = [attempt for _, attempt in world.replicate.creates]
    assert (set(first.inputs), set(second.inputs)) == ({"prompt", "image", "seed"}, {"prompt", "picture", "seed"})
    assert second.inputs["picture"] == first.inputs["image"]
    data = facts(world.events[0])
    assert (data["model"], data["chosen_by"], data["attempts"]) == ("good", "fallback", 2)
    assert data["passed_over"] == [{"model": "best", "reason": "PROVIDER_FAILED"}]
    assert data["credits"] == {"held": 5, "captured": 3, "released": 2}
    assert world.balances() == (997, 0, 3)
    world.at_rest()


async def test_the_chain_is_walked_to_its_end() -> None:
    """Then the generation has failed, and nothing is charged."""
    world = await asked()
    for _ in range(3):
        await failed(world, PASSING)
    assert models(world) == ["best", "good", "plain"]
    (event,) = world.events
    assert (event.outcome, event.reason, event.attempts) == ("failed", Reason.PROVIDER_FAILED, 3)
    assert [each.model for each in event.passed_over] == ["best", "good"]
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


@pytest.mark.parametrize(
    "error", [PASSING, "high demand. (E003)", "queue reached limit", "Director: unexpected (E9828)"]
)
async def test_passing_trouble_and_no_capacity_go_to_the_next(error: str) -> None:
    """A retry is a new prediction, of another model."""
    world = await asked()
    await failed(world, error)
    assert models(world) == ["best", "good"]


async def test_what_never_started_goes_to_the_next() -> None:
    """No capacity either: it waited until its deadline, and was not charged."""
    world = await asked()
    world.replicate.abort(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await world.pump()
    assert models(world) == ["best", "good"]
    assert world.generation().passed_over[0].reason is Reason.TIMED_OUT


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("NSFW content detected.", Reason.CONTENT_REFUSED),
        ("flagged as sensitive (E005)", Reason.CONTENT_REFUSED),
        ("ValueError: prompt is too long", Reason.PROVIDER_REFUSED),
        ("You have insufficient credit to run this model.", Reason.PROVIDER_UNAVAILABLE),
        ("Invalid or expired API token.", Reason.PROVIDER_UNAVAILABLE),
    ],
)
async def test_content_input_credit_and_keys_never_go_to_another(error: str, reason: Reason) -> None:
    """Refused content must not be sent from model to model until one accepts it."""
    world = await asked()
    await failed(world, error)
    await world.settle()
    assert models(world) == ["best"]
    assert (world.events[0].outcome, world.events[0].reason) == ("failed", reason)
    assert world.balances() == (1000, 0, 0)
    world.at_rest()


async def test_an_unsafe_result_is_not_tried_elsewhere() -> None:
    """It is our own refusal of content."""
    world = await asked()
    await succeeded(world, UNSAFE_IMAGE)
    await world.settle()
    assert models(world) == ["best"]
    assert world.events[0].reason is Reason.OUTPUT_REFUSED
    world.at_rest()


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (NotCreated(DeferReason.THROTTLED, 30), ["best", "best"]),
        (NotCreated(DeferReason.NO_CREDIT, 120), ["best", "best"]),
        (NotCreated(DeferReason.UNAUTHORIZED, 60), ["best", "best"]),
        (CreateRefused(Reason.PROVIDER_REFUSED, "The model did not accept these settings."), ["best"]),
        (CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL]), ["best", "good"]),
    ],
    ids=["throttled", "no credit", "unauthorized", "invalid", "gone"],
)
async def test_the_answer_to_a_create_decides_who_is_asked_next(answer: CreateOutcome, again: list[str]) -> None:
    """Limits, credit and tokens are the account's: the same model is asked later. Only one that is gone gives way."""
    world = await opened(of=CATALOG)
    world.replicate.answer_next_create_with(answer)
    await world.ask(model="best")
    await world.tick(200)
    assert models(world) == again


async def test_nobody_else_is_asked_while_an_earlier_attempt_may_run() -> None:
    """An unknown outcome waits for ``Cancel-After``, and then it is the same model's turn."""
    world = await opened(of=CATALOG)
    world.replicate.answer_next_create_with(OutcomeUnknown("timed out"))
    await world.ask(model="best")
    await world.tick(100)
    assert models(world) == ["best"]
    await world.tick(100)
    assert models(world) == ["best", "best"]
    assert world.generation().passed_over == ()


@pytest.mark.parametrize("said", [{"allow_fallback": False}, {"max_credits": 5, "model": "plain"}])
async def test_without_a_fallback_it_ends(said: dict[str, Any]) -> None:
    """The request forbids a fallback, or there is none."""
    world = await asked(**said)
    await failed(world, PASSING)
    assert len(models(world)) == 1
    assert world.events[0].reason is Reason.PROVIDER_FAILED
    world.at_rest()


async def test_the_limit_is_kept_by_every_attempt() -> None:
    """The fallbacks are cheaper here; the first one is what has to fit."""
    world = await asked(max_credits=4)
    assert world.events[0].reason is Reason.OVER_LIMIT
    assert models(world) == []
    world = await asked(max_credits=5)
    await failed(world, PASSING)
    assert models(world) == ["best", "good"]
    assert world.generation().held_credits == 5


async def test_no_fallback_loses_the_picture() -> None:
    """The last of the chain takes none, so it is left out."""
    world = await asked(image_url=PICTURE)
    assert world.generation().chain == ("best", "good")


async def test_a_retired_model_is_served_by_its_successor() -> None:
    """The event says that the model is gone; without fallbacks its sentence says to ask for another model."""
    world = await asked(model="old")
    await succeeded(world)
    data = facts(world.events[0])
    assert (data["model"], data["chosen_by"]) == ("best", ChosenBy.SUCCESSOR)
    assert data["passed_over"] == [{"model": "old", "reason": "MODEL_RETIRED"}]
    world = await asked(model="old", allow_fallback=False)
    assert (world.events[0].outcome, world.events[0].reason) == ("rejected", Reason.MODEL_RETIRED)
    assert models(world) == []
    world.at_rest()


async def test_a_plain_success_says_that_it_was_asked_for() -> None:
    """And no model is passed over."""
    world = await asked()
    await succeeded(world)
    data = facts(world.events[0])
    assert (data["model"], data["chosen_by"], data["passed_over"], data["attempts"]) == ("best", "request", [], 1)
    assert world.generation().state is State.SUCCEEDED


async def test_operators_read_the_providers_own_words_and_no_prompt() -> None:
    """The row and a warning have what Replicate said, without prompt and address; the app in front hears nothing."""
    world = await asked(prompt="A secret garden behind the house")
    said = "Cannot draw 'a secret garden behind the house' from https://pictures.example/cat.png?sig=abc (E9828)"
    await failed(world, said)
    shown = "Cannot draw '[..]' from https://pictures.example/[..] (E9828)"
    assert world.generation().provider_error == shown
    warned = [facts for name, _, facts in world.telemetry.steps if name == "prediction_failed"]
    assert warned == [{"model": "best", "kind": "transient", "said": shown}]
    await failed(world, "the second one broke too")
    assert world.generation().provider_error == "the second one broke too"
    await succeeded(world)
    assert world.generation().state is State.SUCCEEDED
    assert world.generation().provider_error == "the second one broke too"
    assert "secret" not in str(world.telemetry.steps)
    assert "broke" not in str(world.events)


@pytest.mark.parametrize("name", WRITTEN)
async def test_an_error_quotes_no_field_that_a_user_wrote(name: str) -> None:
    """Even one that the model was not sent: a provider's log may have it from elsewhere."""
    text = "A secret garden behind the house"
    fields: dict[str, Any] = {"inputs": {"note": text}} if name == "inputs" else {name: text}
    world = await asked(**fields)
    await failed(world, "Cannot draw 'a secret garden behind the house' (E9828)")
    assert world.generation().provider_error == "Cannot draw '[..]' (E9828)"


async def test_a_model_that_broke_is_no_fault_of_the_user() -> None:
    """Out of memory, and a provider's own credit: another model is asked, and the user never hears of either."""
    for error in (
        "CUDA out of memory. Tried to allocate 2.75 GiB",
        "An error occurred while processing your request (E001)",
    ):
        world = await asked()
        await failed(world, error)
        await succeeded(world)
        assert models(world) == ["best", "good"], error
        assert world.generation().state is State.SUCCEEDED


async def test_what_the_user_can_mend_asks_nobody_else() -> None:
    """The user's own address is gone, or no face is in the picture: the next model would fail the same, and cost."""
    for error in (
        "404 Client Error: Not Found for url: https://pictures.example/cat.png",
        "Could not find face in image",
    ):
        world = await asked()
        await failed(world, error)
        assert models(world) == ["best"], error
        assert world.generation().reason is Reason.PROVIDER_REFUSED
