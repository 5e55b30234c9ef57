"""A generation as facts: JSON for programs, named lines for people.

Rules of this file:
1. A prompt, a generated text, or anything else that a user wrote or received, is shown only if the caller asks for it.
2. Both forms have the same facts. An unknown value is null in JSON, and is left out for people.
3. A model's inputs and metrics are shown if they are numbers. A word is shown only if no user can have written it,
   because a model may put anything into its metrics.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shared.core.events.generation_event import Output
from shared.core.lifecycle.approval import Decision
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import AnyGeneration, Generation, Received
from shared.core.lifecycle.steps import Entry
from shared.core.money.limits import warned, warning
from shared.core.money.usage import usd
from shared.core.reasons import counted
from shared.core.requests.fields import FIELDS, WRITTEN
from shared.ports import OpenRow
from shared.views.times import moment, seen_from, span

#: Request fields that are shown, in this order. None is a text that a model reads.
_SHOWN_FIELDS = tuple(field.name for field in FIELDS if field.shown)

#: Inputs of a model that are words, but never a user's own.
_SHOWN_WORDS = ("aspect_ratio", "megapixels", "resolution", "output_format")


#: The statuses of a prediction that has not ended, in words. Replicate does not say which of the two it is.
_AT_PROVIDER = {"starting": "starting: it is queued, or its model boots", "processing": "running"}


def _not_opened() -> dict[str, Any]:
    """In JSON: what only an opened generation has, as it is shown without one. It gives all facts their order."""
    return {
        "requested_end": None,
        "modality": None,
        "model": None,
        "plan": None,
        "chosen_by": None,
        "passed_over": [],
        "chain": [],
        "attempts": 0,
        "posts": 0,
        "approval": None,
        "limit_warnings": [],
        "request": None,
        "inputs": {},
        "seed": None,
        "prediction_id": None,
        "missing_since": None,
        "credits": {"held": 0, "captured": 0, "released": 0},
        "cost_usd_micros": 0,
        "provider_error": None,
        "metrics": {},
        "outputs": [],
        "refused_outputs": 0,
        "ignored_fields": [],
        "history": [],
        "opened_at": None,
        "submitted_at": None,
        "retry_at": None,
    }


@dataclass(frozen=True, slots=True)
class Seen:
    """What the provider says at this moment: the prediction's status, and its status page. Empty: it was not asked."""

    prediction: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class GenerationView:
    """A generation with its row in the open index, if it has one, and what its provider says of it.

    ``prompt`` adds the texts that its user wrote, ``text`` the texts that a model wrote. ``decidable_until`` is until
    when an approval can be given that it waits for; None: it waits for none.
    """

    generation: AnyGeneration
    row: OpenRow | None
    prompt: bool = False
    text: bool = False
    seen: Seen = Seen()
    decidable_until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The facts as JSON values. Times are texts in ISO 8601."""
        generation, row = self.generation, self.row
        ended_at = _ended_at(generation)
        facts = {
            **generation.key.properties,
            "state": generation.state.value,
            "reason": {"code": generation.reason.value, "text": generation.text} if generation.reason else None,
            **_not_opened(),
            "approval": _approval_json(generation, self.decidable_until),
            "request": self._request_facts,
            "ignored_fields": list(generation.ignored_fields),
            "history": [_entry_json(entry) for entry in generation.history],
            "opened_at": generation.opened_at.isoformat(),
            "ended_at": ended_at.isoformat() if ended_at else None,
            "announced": _is_announced(generation, row),
            "due_at": row.due_at.isoformat() if row else None,
            "prediction_status": self.seen.prediction or None,
            "status_page": self.seen.page or None,
            **self._prompts,
        }
        return facts | self._opened_json(generation) if isinstance(generation, Generation) else facts

    def _opened_json(self, generation: Generation) -> dict[str, Any]:
        """What only a generation has that has opened: the values in the place of ``_not_opened``."""
        attempt = generation.attempt
        return {
            "requested_end": generation.requested_end.value if generation.requested_end else None,
            "modality": attempt.modality,
            "model": attempt.model,
            "plan": generation.plan or None,
            "chosen_by": generation.chosen_by.value if generation.chosen_by else None,
            "passed_over": [{"model": each.model, "reason": each.reason.value} for each in generation.passed_over],
            "chain": list(generation.chain),
            "attempts": attempt.number,
            "posts": attempt.posts,
            "limit_warnings": [warned(each) for each in generation.notices],
            "inputs": _input_facts(attempt),
            "seed": attempt.seed,
            "prediction_id": attempt.prediction_id,
            "missing_since": attempt.missing_since.isoformat() if attempt.missing_since else None,
            "credits": _credits_json(generation),
            "cost_usd_micros": generation.cost_usd_micros,
            "provider_error": generation.provider_error or None,
            "metrics": _without_words(generation.metrics),
            "outputs": [self._output_json(output) for output in generation.outputs],
            "refused_outputs": generation.refused_outputs,
            "submitted_at": attempt.submitted_at.isoformat(),
            "retry_at": attempt.retry_at.isoformat() if attempt.retry_at else None,
        }

    def as_lines(self, now: datetime) -> Iterator[tuple[str, str]]:
        """The facts as (name, value) pairs. An unknown value is an empty text. Times are relative to ``now``."""
        generation = self.generation
        yield "generation", generation.key.generation_id
        yield "user", generation.key.user_id
        yield "account", generation.key.account_id
        yield "state", generation.state.value
        yield "reason", f"{generation.reason}: {generation.text}" if generation.reason else ""
        yield "waits for", _waits_for(generation, self.decidable_until, now)
        yield "approval", _approval(generation)
        yield "requested_end", _requested_end(generation)
        for name, value in self._prompts.items():
            yield name.replace("_", " "), value if isinstance(value, str) else json.dumps(value) if value else ""
        yield "request", _listed(self._request_facts)
        if isinstance(generation, Generation):
            yield from _attempt_lines(generation)
            yield "at replicate", _AT_PROVIDER.get(self.seen.prediction, self.seen.prediction)
            yield "status page", self.seen.page
        yield "credits", _credits(generation)
        if isinstance(generation, Generation):
            yield from self._result_lines(generation)
        yield "ignored fields", ", ".join(generation.ignored_fields)
        yield from _times(generation, self.row, now)
        for entry in generation.history:
            yield "history", _entry(entry)

    def _result_lines(self, generation: Generation) -> Iterator[tuple[str, str]]:
        for notice in generation.notices:
            yield "warning", warning(notice)
        yield "cost", f"{usd(generation.cost_usd_micros)} USD, estimated" if generation.cost_usd_micros else ""
        yield "provider error", generation.provider_error
        yield "metrics", ", ".join(_metric(name, value) for name, value in _without_words(generation.metrics).items())
        for output in generation.outputs:
            yield "output", _output(output)
            yield "text", output.text if self.text else ""
        yield "refused outputs", str(generation.refused_outputs or "")

    @property
    def _request_facts(self) -> dict[str, Any]:
        request = self.generation.request
        values = asdict(request) if request else {}
        return {name: values[name] for name in _SHOWN_FIELDS if values.get(name) is not None}

    @property
    def _prompts(self) -> dict[str, Any]:
        request = self.generation.request if self.prompt else None
        if not self.prompt:
            return {}
        return {name: getattr(request, name, None) or None for name in WRITTEN}

    def _output_json(self, output: Output) -> dict[str, Any]:
        facts = asdict(output) | {"text_characters": len(output.text)}
        if not self.text:
            del facts["text"]
        return facts


def _attempt_lines(generation: Generation) -> Iterator[tuple[str, str]]:
    attempt = generation.attempt
    yield "model", f"{attempt.model}{f', by {generation.chosen_by}' if generation.chosen_by else ''}"
    yield "plan", generation.plan
    yield "passed over", ", ".join(f"{each.model} ({each.reason})" for each in generation.passed_over)
    yield "chain", " > ".join(generation.chain) if len(generation.chain) > 1 else ""
    yield "attempts", f"{attempt.number}{f', {attempt.posts} posts at the last' if attempt.posts > 1 else ''}"
    yield "inputs", _listed(_input_facts(attempt))
    yield "seed", f"{attempt.seed}{' (chosen by Darkroom)' if attempt.own_seed else ''}"
    yield "prediction", attempt.prediction_id or ""
    yield "not known", f"to Replicate, since {moment(attempt.missing_since)}" if attempt.missing_since else ""
    is_promised = attempt.promised and not generation.state.ended
    yield "outputs", "reported by Replicate, not yet screened" if is_promised else ""


def _input_facts(attempt: Attempt) -> dict[str, Any]:
    """The model's inputs, without texts that a user wrote. The seed is left out, because it has its own line."""
    return {
        name: value
        for name, value in attempt.inputs.items()
        if name != "seed" and (isinstance(value, int | float) or name in _SHOWN_WORDS)
    }


def _requested_end(generation: AnyGeneration) -> str:
    if not isinstance(generation, Generation) or generation.requested_end is None or generation.state.ended:
        return ""
    return f"{generation.requested_end}, once Replicate has confirmed it"


def _waits_for(generation: AnyGeneration, until: datetime | None, now: datetime) -> str:
    """The approval that it waits for: of which limit and cost, by whom, until when."""
    asked = generation.approval
    if until is None or asked is None:
        return ""
    said = f"approval past the {asked.scope.value}'s limit {asked.limit_id}, up to {counted(asked.credits, 'credit')}"
    return f"{said}, by an operator or an approver, until {moment(until)}, {seen_from(now, until)}"


def _approval(generation: AnyGeneration) -> str:
    """What was decided about it, and by whom."""
    decisions = generation.approval.decisions if generation.approval else ()
    return ", ".join(_decision(each) for each in decisions)


def _decision(decision: Decision) -> str:
    if decision.most_credits is None:
        return f"denied by {decision.by}"
    return f"{decision.limit_id} approved by {decision.by}, up to {counted(decision.most_credits, 'credit')}"


def _approval_json(generation: AnyGeneration, until: datetime | None) -> dict[str, Any] | None:
    asked = generation.approval
    if asked is None:
        return None
    decisions = [asdict(each) | {"at": each.at.isoformat()} for each in asked.decisions]
    pending = isinstance(generation, Received) and asked.pending
    moments = {"asked_at": asked.asked_at, "again_at": asked.again_at, "until": until}
    times = {name: at.isoformat() if at else None for name, at in moments.items()}
    return asdict(asked) | times | {"pending": pending, "decisions": decisions}


def _ended_at(generation: AnyGeneration) -> datetime | None:
    return None if isinstance(generation, Received) else generation.ended_at


def _times(generation: AnyGeneration, row: OpenRow | None, now: datetime) -> Iterator[tuple[str, str]]:
    yield "opened", moment(generation.opened_at)
    if isinstance(generation, Generation):
        attempt = generation.attempt
        yield "submitted", moment(attempt.submitted_at)
        yield "next try", moment(attempt.retry_at) if attempt.retry_at and not generation.state.ended else ""
    ended_at = _ended_at(generation)
    if ended_at is not None:
        yield "ended", f"{moment(ended_at)}, after {span(ended_at - generation.opened_at)}"
        yield "announced", "yes" if _is_announced(generation, row) else "not yet"
    if row is not None:
        yield "next check", f"{moment(row.due_at)}, {seen_from(now, row.due_at)}"


def _is_announced(generation: AnyGeneration, row: OpenRow | None) -> bool:
    """Whether its event was published: until then an ended generation keeps its row in the open index."""
    return generation.state.ended and row is None


def _credits_json(generation: AnyGeneration) -> dict[str, int]:
    """What was held for it, and what became of that. Nothing is held for what has not opened."""
    if not isinstance(generation, Generation):
        return {"held": 0, "captured": 0, "released": 0}
    held, captured = generation.held_credits, generation.captured_credits
    return {"held": held, "captured": captured, "released": held - captured if generation.state.ended else 0}


def _credits(generation: AnyGeneration) -> str:
    moved = _credits_json(generation)
    if not generation.state.ended:
        return f"{moved['held']} held"
    return f"{moved['held']} held, of these {moved['captured']} captured and {moved['released']} released"


def _output(output: Output) -> str:
    shape = f", {output.width} x {output.height}" if output.width else ""
    text = f", text of {len(output.text)} characters" if output.text else ""
    return f"{output.container}/{output.name}, {output.content_type}{shape}, {output.size_bytes} bytes{text}"


def _entry_json(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"at": entry.at.isoformat(), "last_at": entry.last_at.isoformat()}


def _entry(entry: Entry) -> str:
    """A step as a line: ``2026-11-21 12:00:00Z create_deferred: no answer, 4 times until 2026-11-21 12:10:00Z``."""
    why = f": {entry.why}" if entry.why else ""
    again = f", {entry.times} times until {moment(entry.last_at)}" if entry.times > 1 else ""
    return f"{moment(entry.at)} {entry.step}{why}{again}"


def _without_words(metrics: Mapping[str, object]) -> dict[str, int | float | None]:
    """A model's metrics: numbers and booleans. Any other value is None, because a user may have written it."""
    return {name: value if isinstance(value, int | float) else None for name, value in metrics.items()}


def _metric(name: str, value: float | None) -> str:
    return name if value is None else f"{name} {value}"


def _listed(values: dict[str, Any]) -> str:
    """Values by name in one text, the size first: ``1024 x 768, num_outputs 2``."""
    parts = [f"{name} {value}" for name, value in values.items() if name not in ("width", "height")]
    if "width" in values and "height" in values:
        parts.insert(0, f"{values['width']} x {values['height']}")
    else:
        parts += [f"{name} {values[name]}" for name in ("width", "height") if name in values]
    return ", ".join(parts)
