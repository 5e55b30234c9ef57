"""The invariants of a settled stack, checked against Azurite, the events, and the simulator's own records."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared import worker
from shared.composition.app import App
from shared.core.lifecycle.generation import AnyGeneration, Generation
from shared.core.lifecycle.state import State
from shared.core.money.account import Account
from shared.core.provider.webhook import named_callback


@dataclass(frozen=True, slots=True)
class Truth:
    """What other parties recorded: the simulator's predictions, the app's events, the generations that it requested."""

    predictions: Sequence[Mapping[str, Any]]
    events: Mapping[str, Sequence[Mapping[str, Any]]]
    sent: Sequence[str]


async def broken(app: App, truth: Truth) -> list[str]:
    """Every broken invariant, one sentence each."""
    problems = [f"audit: {difference}" async for difference in worker.audit(app.deps)]
    generations: list[AnyGeneration] = []
    async for account in app.store.accounts():
        if not isinstance(account, Account):
            continue  # the audit has reported it
        mine = [generation async for generation in app.store.generations(account.account_id)]
        generations += mine
        captured = sum(generation.captured_credits for generation in mine if isinstance(generation, Generation))
        if (account.captured, account.held) != (captured, 0):
            problems.append(
                f"{account.account_id}: captured {account.captured} of {captured}, still held {account.held}"
            )
    for generation in generations:
        problems += _generation(generation, truth.events.get(generation.key.generation_id, ()))
    problems += _asked_for(generations, truth)
    opened = [generation for generation in generations if isinstance(generation, Generation)]
    problems += _predictions(opened, truth)
    problems += await _blobs(app, opened)
    return problems


def _generation(generation: AnyGeneration, events: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    name = str(generation.key)
    if not generation.state.ended:
        problems.append(f"{name}: still {generation.state}")
    if len({event["id"] for event in events}) != 1:
        problems.append(f"{name}: announced under {len({event['id'] for event in events})} ids")
    return problems + (_credits(generation) if isinstance(generation, Generation) else [])


def _credits(generation: Generation) -> list[str]:
    problems, name = [], str(generation.key)
    paid = generation.state is State.SUCCEEDED
    price = generation.attempt.unit_credits * len(generation.outputs) if paid else 0
    if generation.captured_credits != price:
        problems.append(f"{name}: captured {generation.captured_credits}, delivered for {price}")
    if generation.captured_credits > generation.held_credits:
        problems.append(f"{name}: captured more than was held")
    return problems


def _asked_for(generations: Sequence[AnyGeneration], truth: Truth) -> list[str]:
    known = {generation.key.generation_id for generation in generations}
    return [f"{generation_id}: lost without a trace" for generation_id in truth.sent if generation_id not in known]


def _predictions(generations: Sequence[Generation], truth: Truth) -> list[str]:
    """No prediction still runs; each delivered one belongs to its attempt; an attempt has paid for one at most."""
    problems = []
    used = {g.attempt.prediction_id: g for g in generations if g.state is State.SUCCEEDED}
    succeeded: Counter[Any] = Counter()
    for prediction in truth.predictions:
        callback = named_callback(prediction.get("webhook") or "")
        if prediction["status"] in {"starting", "processing"}:
            problems.append(f"prediction {prediction['id']} still runs")
        if callback is not None and prediction["status"] == "succeeded":
            succeeded[callback] += 1
    problems += [f"{callback}: {count} predictions succeeded" for callback, count in succeeded.items() if count > 1]
    made = {prediction["id"] for prediction in truth.predictions}
    problems += [
        f"{g.key}: delivered a prediction that nobody made" for identity, g in used.items() if identity not in made
    ]
    return problems


async def _blobs(app: App, generations: Sequence[Generation]) -> list[str]:
    """Checks that the user's container holds exactly the outputs of succeeded generations."""
    named = {output.name for generation in generations for output in generation.outputs}
    stored = set(await app.outputs.list_outputs())
    problems = [f"output {name} is missing" for name in sorted(named - stored)]
    return problems + [f"output {name} belongs to nobody" for name in sorted(stored - named)]
