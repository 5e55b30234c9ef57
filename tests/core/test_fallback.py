"""The next attempt: its model, its reason and its price, and the cases without one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev.fakes.accounts import funded
from dev.fakes.catalogs import REQUEST, SEED, TEXT, VERSION, catalog, model, plans_of
from shared.adapters.replicate.failures import failure_of
from shared.adapters.replicate.metrics import measured_of
from shared.core.catalog.choosing import Quote, quote
from shared.core.events.generation_event import ChosenBy, Output, PassedOver
from shared.core.lifecycle import opening, transitions
from shared.core.lifecycle.attempt import Delivery, Timing, created
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money.payer import Payer
from shared.core.provider.guarantees import PROVIDERS, REPLICATE, Kind
from shared.core.provider.prediction import Prediction, Status
from shared.core.reasons import Reason, Refusal

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OVER = NOW + timedelta(seconds=60 + Timing().cancel_grace_s)
ADA = Payer(funded("ada", 1000, plan="premium"))

ARCHIVE = {"type": "archive", "field": "input_file", "required": True}
GPU = [{"unit": "gpu_second", "usd_micros": 1_000}]


def trainer(name: str, **changes: Any) -> dict[str, Any]:
    """A model that trains."""
    return model(
        {"pictures": ARCHIVE},
        replicate=f"owner/{name}:{VERSION}",
        modality="training",
        output="version",
        credits=100,
        prices=GPU,
        **changes,
    )


MODELS: dict[str, Any] = {
    "first": model({"prompt": TEXT, "seed": SEED}, replicate="owner/first", credits=3, fallback=["second", "third"]),
    "second": model(replicate="owner/second", credits=2, prices=GPU),
    "third": model({"prompt": TEXT, "seed": SEED | {"to": 999}}, replicate="owner/third"),
    "gone": model(replicate="owner/gone", status="retired", successor="first", inputs={}),
    "trainer": trainer("trainer", fallback=["trainer-too"]),
    "trainer-too": trainer("trainer-too"),
}
CATALOG = catalog(MODELS)
TRAINING = {"model": "trainer", "input_file": "ada/ada/a.zip", "destination": "ada/lora", "prompt": ""}


def submitting(**said: Any) -> tuple[Generation, Payer]:
    """A generation whose first create was sent, and the account with its hold."""
    request = replace(REQUEST, **{"model": "first"} | said)
    quoted = quote(CATALOG, request, plans_of(CATALOG)["premium"])
    assert isinstance(quoted, Quote), quoted
    opened = opening.opened(request, ADA, CATALOG, quoted, seed=7, now=NOW)
    assert opened.account is not None
    first = opened.generation
    assert isinstance(first, Generation)
    return (step(transitions.retried(first, NOW)) if first.state is State.WAITING else first), Payer(opened.account)


def step(transition: Transition[Generation] | None) -> Generation:
    """The generation after a transition."""
    assert transition is not None
    return transition.generation


def running(generation: Generation) -> Generation:
    """The generation once its prediction is known; the wait before it is over."""
    number = generation.attempt.number
    if generation.state is State.WAITING:
        generation = step(transitions.retried(generation, OVER))
    return step(transitions.adopted(generation, number, prediction_id(generation)))


def prediction_id(generation: Generation) -> str:
    """The prediction id of each attempt."""
    return f"prediction-{generation.attempt.number:015d}"


def ended(generation: Generation, status: Status, error: str = "", **metrics: Any) -> Prediction:
    """The generation after its prediction ended."""
    return Prediction(
        prediction_id=prediction_id(generation),
        status=status,
        error=error,
        failure=failure_of(error),
        metrics=metrics,
        measured=measured_of(metrics),
    )


def attempt_failed(generation: Generation, account: Payer, prediction: Prediction, seed: int = 8) -> Generation:
    """After its prediction failed."""
    number = generation.attempt.number
    return step(transitions.attempt_failed(generation, account, CATALOG, number, prediction, seed=seed, now=NOW))


def interrupted(generation: Generation, **metrics: Any) -> Prediction:
    """The error of a temporary failure."""
    return ended(generation, Status.FAILED, "Prediction interrupted; please retry (code: PA)", **metrics)


def model_of(generation: Generation) -> str:
    """The model of the current attempt."""
    return generation.attempt.model


# Fallback or not.


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (Status.FAILED, "Prediction interrupted; please retry (code: PA)", Reason.PROVIDER_FAILED),
        (Status.FAILED, "Service is currently unavailable due to high demand. (E003)", Reason.PROVIDER_FAILED),
        (Status.FAILED, "queue reached limit", Reason.PROVIDER_FAILED),
        (Status.FAILED, "Director: unexpected error handling prediction (E9828)", Reason.PROVIDER_FAILED),
        (Status.FAILED, "list index out of range", Reason.PROVIDER_FAILED),
        (Status.ABORTED, "", Reason.TIMED_OUT),
    ],
)
def test_what_another_model_may_do_better_goes_to_it(status: Status, error: str, reason: Reason) -> None:
    """After temporary trouble, missing capacity or a broken model the request is mapped and priced anew."""
    first, account = submitting()
    after = attempt_failed(running(first), account, ended(first, status, error))
    assert (after.state, model_of(after), after.chosen_by) == (State.WAITING, "second", ChosenBy.FALLBACK)
    assert after.passed_over == (PassedOver("first", reason),)
    assert (after.attempt.inputs, after.attempt.unit_credits) == ({"prompt": REQUEST.prompt}, 2)
    assert (after.attempt.number, after.held_credits) == (2, first.held_credits)


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (Status.FAILED, "NSFW content detected.", Reason.CONTENT_REFUSED),
        (Status.FAILED, "The input or output was flagged as sensitive. (E005) (id)", Reason.CONTENT_REFUSED),
        (Status.FAILED, "flagged by moderation; please retry (code: PA)", Reason.CONTENT_REFUSED),
        (Status.FAILED, "ValueError: width must be a multiple of 8", Reason.PROVIDER_REFUSED),
        (Status.FAILED, "You have insufficient credit to run this model.", Reason.PROVIDER_UNAVAILABLE),
        (Status.FAILED, "Invalid or expired API token.", Reason.PROVIDER_UNAVAILABLE),
        (Status.CANCELED, "", Reason.TIMED_OUT),
    ],
)
def test_what_no_other_model_may_be_asked_ends_it(status: Status, error: str, reason: Reason) -> None:
    """Refused content or input, missing credit, a refused token and a cancel end the generation."""
    first, account = submitting()
    transition = transitions.attempt_failed(
        running(first), account, CATALOG, 1, ended(first, status, error), seed=8, now=NOW
    )
    after = step(transition)
    assert (after.state, after.reason, model_of(after)) == (State.FAILED, reason, "first")
    assert (after.chosen_by, after.passed_over) == (ChosenBy.REQUEST, ())
    assert transition is not None
    assert transition.account is not None
    assert (transition.account.available, transition.account.held) == (1000, 0)


@pytest.mark.parametrize("said", [{"allow_fallback": False}, {"max_credits": 2, "model": "second"}, {"model": "third"}])
def test_without_a_next_model_it_ends(said: dict[str, Any]) -> None:
    """The user refuses fallbacks, or the chain has none."""
    first, account = submitting(**said)
    after = attempt_failed(running(first), account, interrupted(first))
    assert (after.state, after.reason) == (State.FAILED, Reason.PROVIDER_FAILED)


def test_a_limit_leaves_out_the_dearer_of_the_chain() -> None:
    """The second model costs 2, the third 1: with a limit of one credit only the third may follow."""
    cheap_first = catalog(MODELS | {"first": MODELS["first"] | {"credits": 1}})
    request = replace(REQUEST, model="first", max_credits=1)
    quoted = quote(cheap_first, request, plans_of(CATALOG)["premium"])
    assert isinstance(quoted, Quote)
    opened = opening.opened(request, ADA, cheap_first, quoted, seed=7, now=NOW)
    first = opened.generation
    assert isinstance(first, Generation)
    assert opened.account is not None
    payer, failed = Payer(opened.account), interrupted(first)
    after = step(transitions.attempt_failed(running(first), payer, cheap_first, 1, failed, seed=8, now=NOW))
    assert (model_of(after), after.held_credits) == ("third", 1)


def test_the_chain_ends() -> None:
    """Each model is tried once, in order; the event lists the skipped models in that order."""
    generation, account = submitting()
    for _ in range(2):
        generation = attempt_failed(running(generation), account, interrupted(generation))
    assert model_of(generation) == "third"
    after = attempt_failed(running(generation), account, interrupted(generation))
    assert (after.state, model_of(after)) == (State.FAILED, "third")
    assert after.passed_over == (
        PassedOver("first", Reason.PROVIDER_FAILED),
        PassedOver("second", Reason.PROVIDER_FAILED),
    )


def test_a_model_that_is_gone_is_passed_over() -> None:
    """A create gets 404 because the catalogue is out of date, so the next model serves."""
    first, account = submitting()
    gone = Refusal.of(Reason.UNKNOWN_MODEL)
    after = step(transitions.refused(first, account, CATALOG, 1, gone, seed=8, now=NOW))
    assert (after.state, model_of(after), after.chosen_by) == (State.WAITING, "second", ChosenBy.FALLBACK)
    assert after.passed_over == (PassedOver("first", Reason.UNKNOWN_MODEL),)
    alone, account = submitting(allow_fallback=False)
    after = step(transitions.refused(alone, account, CATALOG, 1, gone, seed=8, now=NOW))
    assert (after.state, after.reason) == (State.FAILED, Reason.UNKNOWN_MODEL)


@pytest.mark.parametrize(
    "reason", [reason for reason in Reason if reason is not Reason.UNKNOWN_MODEL], ids=lambda reason: str(reason.value)
)
def test_a_create_that_was_refused_for_anything_else_ends_it(reason: Reason) -> None:
    """The next model would refuse the same input."""
    first, account = submitting()
    after = step(transitions.refused(first, account, CATALOG, 1, Refusal.of(reason), seed=8, now=NOW))
    assert (after.state, after.reason) == (State.FAILED, reason)


def test_a_requested_end_takes_precedence_over_a_fallback() -> None:
    """A user who cancels wants no other model either."""
    first, account = submitting()
    wished = step(transitions.end_requested(first, account, Reason.CANCELED_BY_USER, NOW))
    gone = transitions.refused(wished, account, CATALOG, 1, Refusal.of(Reason.UNKNOWN_MODEL), seed=8, now=NOW)
    after = attempt_failed(running(wished), account, interrupted(wished))
    assert step(gone).state is after.state is State.CANCELED


def test_a_successors_fallback_names_both() -> None:
    """The retired model that was named, and the model that failed."""
    first, account = submitting(model="gone")
    assert (first.chosen_by, first.passed_over) == (
        ChosenBy.SUCCESSOR,
        (PassedOver("gone", Reason.MODEL_RETIRED),),
    )
    after = attempt_failed(running(first), account, interrupted(first))
    assert after.chosen_by is ChosenBy.FALLBACK
    assert [each.model for each in after.passed_over] == ["gone", "first"]


def test_a_seed_of_ours_is_one_that_the_model_takes() -> None:
    """The search in the list uses that seed; a seed of the user's never changes."""
    generation, account = submitting()
    for _ in range(2):
        generation = attempt_failed(running(generation), account, interrupted(generation), seed=2**32 - 1)
    assert generation.attempt.seed == generation.attempt.inputs["seed"] == (2**32 - 1) % 1000
    assert generation.attempt.own_seed
    theirs, _ = submitting(seed=2**32 - 1)
    assert (theirs.attempt.seed, theirs.attempt.own_seed) == (2**32 - 1, False)


def test_a_seed_of_the_users_beyond_a_fallback_leaves_it_out() -> None:
    """Without the user's seed the picture would be another one, so models that cannot take it are left out."""
    assert submitting(seed=5000)[0].chain == ("first",)
    assert submitting(seed=999)[0].chain == ("first", "third")


# Lost.


def test_a_prediction_that_was_lost_is_asked_of_the_same_model() -> None:
    """A second attempt on the same model is no fallback, so no model is reported as skipped."""
    first, account = submitting()
    after = step(transitions.lost(first, account, CATALOG, Timing(), seed=8, now=OVER))
    assert (after.state, model_of(after), after.chosen_by) == (State.WAITING, "first", ChosenBy.REQUEST)
    assert (after.passed_over, after.cost_usd_micros) == ((), 0)


def test_a_training_that_was_lost_ends() -> None:
    """Without ``Cancel-After`` it may still run, so there is never a second one, whatever the chain says."""
    first, account = submitting(**TRAINING)
    assert first.chain == ("trainer", "trainer-too")
    transition = transitions.lost(first, account, CATALOG, Timing(), seed=8, now=OVER)
    after = step(transition)
    assert (after.state, after.reason, model_of(after)) == (State.FAILED, Reason.LOST, "trainer")
    assert transition is not None
    assert transition.account is not None
    assert (transition.account.available, transition.account.held) == (1000, 0)


def test_a_training_that_failed_for_a_while_goes_to_the_next() -> None:
    """A failed training has surely ended, so the next model may train into the same destination."""
    first, account = submitting(**TRAINING)
    after = attempt_failed(running(first), account, interrupted(first))
    assert (after.state, model_of(after)) == (State.WAITING, "trainer-too")
    assert (after.attempt.destination, after.attempt.trains) == ("ada/lora", True)


def test_a_training_needs_a_destination() -> None:
    """The refusal names the field, before anything is held."""
    request = replace(REQUEST, model="trainer", input_file="ada/ada/a.zip")
    quoted = quote(CATALOG, request, plans_of(CATALOG)["premium"])
    assert isinstance(quoted, Quote)
    opened = opening.opened(request, ADA, CATALOG, quoted, seed=7, now=NOW)
    assert (opened.generation.state, opened.generation.reason) == (State.REJECTED, Reason.INVALID_REQUEST)
    assert opened.generation.text.startswith("destination is needed for trainer")
    assert (opened.account, opened.entries) == (None, ())


def test_a_destination_makes_no_training_of_a_picture() -> None:
    """A destination with a picture model is refused, and never ignored."""
    quoted = quote(CATALOG, replace(REQUEST, model="first", destination="ada/lora"), plans_of(CATALOG)["premium"])
    assert isinstance(quoted, Refusal)
    assert quoted.text == "destination is not taken by first: leave it out, or ask for a model that takes it"


# What it cost.


def picture(index: int) -> Output:
    """One stored picture."""
    return Output(
        container="outputs",
        name=f"ada/ada/one/3-{index}.png",
        content_type="image/png",
        size_bytes=1,
        width=1024,
        height=1024,
    )


def test_the_cost_is_of_all_attempts_and_the_metrics_of_the_last() -> None:
    """A temporary failure is free, a cancel costs its seconds, and a success its picture."""
    generation, account = submitting()
    generation = attempt_failed(running(generation), account, interrupted(generation, predict_time=9.0))
    assert (generation.cost_usd_micros, generation.metrics) == (0, {"predict_time": 9.0})
    generation = attempt_failed(running(generation), account, interrupted(generation, predict_time=1.0, why="x"))
    assert generation.metrics == {"predict_time": 1.0, "why": "x"}
    generation = running(replace(generation, cost_usd_micros=500))
    done = replace(ended(generation, Status.SUCCEEDED, image_count=1), outputs=("https://replicate.delivery/1.png",))
    after = step(transitions.delivered(generation, account, 3, done, Delivery(outputs=(picture(0),)), NOW))
    assert (after.state, after.cost_usd_micros, after.captured_credits) == (State.SUCCEEDED, 3_500, 1)
    assert after.metrics == {"image_count": 1}


def test_what_was_made_and_refused_was_paid_for_by_us() -> None:
    """The user pays nothing for it."""
    first, account = submitting()
    done = replace(ended(first, Status.SUCCEEDED), outputs=("https://replicate.delivery/1.png",))
    unsafe = Delivery(refused=Refusal.of(Reason.OUTPUT_REFUSED), refused_outputs=1)
    after = step(transitions.delivered(running(first), account, 1, done, unsafe, NOW))
    assert (after.state, after.cost_usd_micros, after.captured_credits) == (State.FAILED, 3_000, 0)


@pytest.mark.parametrize("wished", [False, True], ids=["by its deadline", "by its user"])
def test_what_was_canceled_is_paid_by_the_second_where_that_is_its_price(wished: bool) -> None:
    """It does not matter who canceled it."""
    first, account = submitting(model="second")
    if wished:
        first = step(transitions.end_requested(first, account, Reason.CANCELED_BY_USER, NOW))
    after = attempt_failed(running(first), account, ended(first, Status.CANCELED, predict_time=2.0))
    assert after.state is (State.CANCELED if wished else State.FAILED)
    assert (after.cost_usd_micros, after.captured_credits) == (2_000, 0)


@pytest.mark.parametrize(("guaranteed", "again"), [(True, State.WAITING), (False, State.FAILED)])
def test_a_lost_create_is_made_again_only_where_its_end_is_guaranteed(guaranteed: bool, again: State) -> None:
    """The guarantees of this attempt decide, whatever its modality is."""
    first, account = submitting()
    assert first.attempt.guarantees == PROVIDERS[REPLICATE][Kind.PREDICTION]
    promised = replace(first.attempt, guarantees=replace(first.attempt.guarantees, cancel_after=guaranteed))
    after = step(transitions.lost(replace(first, attempt=promised), account, CATALOG, Timing(), seed=8, now=OVER))
    assert after.state is again


def test_without_its_callback_nothing_in_a_list_is_ours_where_the_callback_is_promised() -> None:
    """The seed alone does not suffice then, because another program may have used the same."""
    attempt = submitting()[0].attempt
    assert attempt is not None
    same_seed = Prediction(prediction_id="p" * 26, status=Status.STARTING, seed=attempt.seed)
    assert created(attempt, REQUEST.key, same_seed)
    promised = replace(attempt, guarantees=replace(attempt.guarantees, echoes_callback=True))
    assert not created(promised, REQUEST.key, same_seed)


@pytest.mark.parametrize("idempotent", [True, False])
def test_only_an_idempotent_create_is_posted_again(idempotent: bool) -> None:
    """The repeated POST comes after the grace and is counted; for another create it might start a second prediction."""
    first, _ = submitting()
    promised = replace(first.attempt, guarantees=replace(first.attempt.guarantees, idempotent=idempotent))
    unknown, later = replace(first, attempt=promised), NOW + timedelta(seconds=Timing().list_grace_s)
    assert transitions.posted_again(unknown, Timing(), later - timedelta(seconds=1)) is None
    assert transitions.posted_again(unknown, Timing(), NOW + timedelta(seconds=Timing().give_up_after_s)) is None
    again = transitions.posted_again(unknown, Timing(), later)
    assert (again is not None) is idempotent
    if again is not None:
        attempt = again.generation.attempt
        assert (again.generation.state, attempt.posts, attempt.submitted_at) == (State.SUBMITTING, 2, later)
        assert (again.account, again.entries) == (None, ())
