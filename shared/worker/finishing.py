"""The end of a generation: publish its event, delete what was not paid for, remove its index row.

Rules of this file:
1. Every end is published. The event is sent after the end is saved and before the index row is removed, so that a
   check which finds the row of an ended generation publishes the event again, under the same id.
2. A generation that did not succeed, or was not paid for, leaves no output behind. But the event is published first:
   a deletion that fails is repeated later, and neither stops the event nor makes a dead letter. A blob that must not
   be deleted (a lease, a policy) stays.
"""

from datetime import timedelta

from shared.core.catalog import sizes
from shared.core.events.generation_event import GenerationEvent
from shared.core.lifecycle.generation import Closed, Generation
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import LogStep
from shared.core.metric import Metric
from shared.core.values import replace
from shared.ports import Dependencies, Unavailable
from shared.worker.looking import ask_if_known
from shared.worker.naming import output_prefix
from shared.worker.open_index import keeps_until

#: How long after a failed deletion the timer tries again. It publishes the event again too, so not every minute.
TIDY_AGAIN_S = 600


async def end(deps: Dependencies, generation: Generation | Closed) -> None:
    """Publish an ended generation's event, delete its unpaid blobs, and remove its index row. Safe to repeat."""
    key = generation.key
    event = event_of(generation)
    await deps.messenger.publish(event)
    _report_to_operators(deps, generation, event)
    try:
        kept = await delete_unpaid_blobs(deps, generation)
    except Unavailable as trouble:
        deps.telemetry.step(LogStep.TIDIED_LATER, key, why=trouble.why)
        due_at = deps.now() + timedelta(seconds=TIDY_AGAIN_S)
        await deps.index.move(key, due_at, keeps_until(deps, due_at))
        return
    if kept:
        deps.telemetry.step(LogStep.UNTIDY, key, blobs=kept)
        deps.telemetry.count(Metric.BLOBS_KEPT, kept)
    await deps.index.remove(key)
    await ask_if_known(deps)


def _report_to_operators(deps: Dependencies, generation: Generation | Closed, event: GenerationEvent) -> None:
    """Log and count the end: the one record from which an operator's dashboards are drawn."""
    deps.telemetry.step(
        LogStep.PUBLISHED,
        generation.key,
        outcome=event.outcome,
        reason=event.reason or "",
        model=event.model,
        seconds=round((event.at - generation.opened_at).total_seconds()),
        credits=event.captured_credits,
        cost_usd_micros=generation.cost_usd_micros if isinstance(generation, Generation) else 0,
        sold_usd_micros=_sold_usd_micros(deps, event),
    )
    # A trained version is counted under its catalogue entry, because a metric may have few labels.
    model = generation.attempt.entry if isinstance(generation, Generation) else event.model
    deps.telemetry.count(Metric.GENERATIONS, outcome=event.outcome, model=model or "none")


def _sold_usd_micros(deps: Dependencies, event: GenerationEvent) -> int | str:
    """What its credits were sold for. Empty where an alert must not compare it with the cost.

    That is if a credit has no price, or if the model may lose money.
    """
    credit, model = deps.catalog.credit_usd_micros, deps.catalog.models.get(event.model)
    return "" if not credit or (model and model.allow_loss) else event.captured_credits * credit


def event_of(generation: Generation | Closed) -> GenerationEvent:
    """The event about an ended generation."""
    request = generation.request
    closed = GenerationEvent(
        key=generation.key,
        outcome=generation.state.value,
        at=generation.ended_at or generation.opened_at,
        reason=generation.reason,
        text=generation.text,
        metadata=request.metadata if request else {},
        ignored_fields=generation.ignored_fields,
        size=sizes.view(request, {}, ()),
        modality=(request and request.modality) or "",
        category=next((each.category for each in reversed(generation.screenings) if each.category), ""),
        opened_at=generation.opened_at,
    )
    return closed if isinstance(generation, Closed) else _with_attempt(closed, generation)


def _with_attempt(event: GenerationEvent, generation: Generation) -> GenerationEvent:
    """The event with what only a generation has that has opened."""
    attempt = generation.attempt
    return replace(
        event,
        model=attempt.model,
        held_credits=generation.held_credits,
        captured_credits=generation.captured_credits,
        outputs=generation.outputs,
        refused_outputs=generation.refused_outputs,
        attempts=attempt.number,
        size=sizes.view(generation.request, attempt.inputs, generation.outputs),
        chosen_by=generation.chosen_by,
        passed_over=generation.passed_over,
        limit_warnings=generation.notices,
        modality=attempt.modality,
        seed=attempt.seed,
        media_seconds=attempt.seconds,
        started_at=attempt.submitted_at if attempt.prediction_id else None,
    )


async def delete_unpaid_blobs(deps: Dependencies, generation: Generation | Closed) -> int:
    """Delete the input, and each stored output that was not paid for: an earlier try may have stored it and crashed.

    Returns the number of blobs that must not be deleted, and stay.
    """
    request = generation.request
    prefix = output_prefix(generation.key)
    kept = 0
    if request is None or request.may_have_pictures:
        # Even if the saved request has no reference to an input: a call may have stored one and crashed, and the
        # next delivery of the message was refused, or dead-lettered.
        kept += await deps.input_files.discard_inputs(prefix)
    if isinstance(generation, Closed):
        return kept
    if generation.state is not State.SUCCEEDED:
        return kept + await deps.outputs.discard_outputs(prefix)
    for index in range(generation.attempt.outputs):
        name = f"{prefix}{generation.attempt.number}-{index}."
        if not any(output.name.startswith(name) for output in generation.outputs):
            kept += await deps.outputs.discard_outputs(name)
    return kept
