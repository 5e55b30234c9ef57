"""A generation as facts: JSON for programs, named lines for people.

Rules of this file:
1. A prompt, a generated text, or anything else that a user wrote or received, is shown only if the caller asks for it.
2. Both forms have the same facts. An unknown value is null in JSON, and is left out for people.
3. A model's inputs and metrics are shown if they are numbers. A word is shown only if no user can have written it,
   because a model may put anything into its metrics.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shared.core.events.generation_event import Output
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.steps import Entry
from shared.core.money.usage import usd
from shared.core.requests.fields import FIELDS, WRITTEN
from shared.ports import OpenRow
from shared.views.times import moment, seen_from, span

#: Request fields that are shown, in this order. None is a text that a model reads.
_SHOWN_FIELDS = tuple(field.name for field in FIELDS if field.shown)

#: Inputs of a model that are words, but never a user's own.
_SHOWN_WORDS = ("aspect_ratio", "megapixels", "resolution", "output_format")


@dataclass(frozen=True, slots=True)
class GenerationView:
    """A generation with its row in the open index, if it has one.

    ``prompt`` adds the texts that its user wrote, ``text`` the texts that a model wrote.
    """

    generation: Generation
    row: OpenRow | None
    prompt: bool = False
    text: bool = False

    def as_json(self) -> dict[str, Any]:
        """The facts as JSON values. Times are texts in ISO 8601."""
        generation, row = self.generation, self.row
        attempt = generation.attempt
        return {
            **generation.key.properties,
            "state": generation.state.value,
            "reason": {"code": generation.reason.value, "text": generation.text} if generation.reason else None,
            "requested_end": generation.requested_end.value if generation.requested_end else None,
            "modality": attempt.modality if attempt else None,
            "model": attempt.model if attempt else None,
            "chosen_by": generation.chosen_by.value if generation.chosen_by else None,
            "passed_over": [{"model": each.model, "reason": each.reason.value} for each in generation.passed_over],
            "chain": list(generation.chain),
            "attempts": attempt.number if attempt else 0,
            "tries": attempt.posts if attempt else 0,
            "asked": self._request_facts,
            "sent": self._input_facts,
            "seed": attempt.seed if attempt else None,
            "prediction_id": attempt.prediction_id if attempt else None,
            "missing_since": attempt.missing_since.isoformat() if attempt and attempt.missing_since else None,
            "credits": _credits_json(generation),
            "cost_usd_micros": generation.cost_usd_micros,
            "provider_error": generation.provider_error or None,
            "metrics": _without_words(generation.metrics),
            "outputs": [self._output_json(output) for output in generation.outputs],
            "refused_outputs": generation.refused_outputs,
            "ignored_fields": list(generation.ignored_fields),
            "history": [_entry_json(entry) for entry in generation.history],
            "opened_at": generation.opened_at.isoformat(),
            "submitted_at": attempt.submitted_at.isoformat() if attempt else None,
            "retry_at": attempt.retry_at.isoformat() if attempt and attempt.retry_at else None,
            "ended_at": generation.ended_at.isoformat() if generation.ended_at else None,
            "announced": _is_announced(generation, row),
            "due_at": row.due_at.isoformat() if row else None,
            **self._prompts,
        }

    def as_lines(self, now: datetime) -> Iterator[tuple[str, str]]:
        """The facts as (name, value) pairs. An unknown value is an empty text. Times are relative to ``now``."""
        generation = self.generation
        yield "generation", generation.key.generation_id
        yield "user", generation.key.user_id
        yield "account", generation.key.account_id
        yield "state", generation.state.value
        yield "reason", f"{generation.reason}: {generation.text}" if generation.reason else ""
        yield (
            "requested_end",
            f"{generation.requested_end}, once Replicate has confirmed it" if _is_ending(generation) else "",
        )
        for name, value in self._prompts.items():
            yield name.replace("_", " "), value or ""
        yield "asked", _listed(self._request_facts)
        yield from self._of_attempt()
        yield "credits", _credits(generation)
        yield "cost", f"{usd(generation.cost_usd_micros)} USD, estimated" if generation.cost_usd_micros else ""
        yield "provider error", generation.provider_error
        yield "metrics", ", ".join(_metric(name, value) for name, value in _without_words(generation.metrics).items())
        for output in generation.outputs:
            yield "output", _output(output)
            yield "text", output.text if self.text else ""
        yield "refused outputs", str(generation.refused_outputs or "")
        yield "ignored fields", ", ".join(generation.ignored_fields)
        yield from _times(generation, self.row, now)
        for entry in generation.history:
            yield "history", _entry(entry)

    def _of_attempt(self) -> Iterator[tuple[str, str]]:
        generation, attempt = self.generation, self.generation.attempt
        if attempt is None:
            return
        yield "model", f"{attempt.model}{f', by {generation.chosen_by}' if generation.chosen_by else ''}"
        yield "passed over", ", ".join(f"{each.model} ({each.reason})" for each in generation.passed_over)
        yield "chain", " > ".join(generation.chain) if len(generation.chain) > 1 else ""
        yield "attempts", f"{attempt.number}{f', {attempt.posts} tries at the last' if attempt.posts > 1 else ''}"
        yield "sent", _listed(self._input_facts)
        yield "seed", f"{attempt.seed}{' (chosen by Darkroom)' if attempt.own_seed else ''}"
        yield "prediction", attempt.prediction_id or ""
        yield "not known", f"to Replicate, since {moment(attempt.missing_since)}" if attempt.missing_since else ""
        yield "outputs", "reported by Replicate, not yet screened" if attempt.promised and _is_open(generation) else ""

    @property
    def _request_facts(self) -> dict[str, Any]:
        request = self.generation.request
        values = asdict(request) if request else {}
        return {name: values[name] for name in _SHOWN_FIELDS if values.get(name) is not None}

    @property
    def _input_facts(self) -> dict[str, Any]:
        """The model's inputs, without texts that a user wrote. The seed is left out, because it has its own line."""
        attempt = self.generation.attempt
        inputs = attempt.inputs if attempt else {}
        known = {
            name: value for name, value in inputs.items() if isinstance(value, int | float) or name in _SHOWN_WORDS
        }
        known.pop("seed", None)
        return known

    @property
    def _prompts(self) -> dict[str, str | None]:
        request = self.generation.request if self.prompt else None
        if not self.prompt:
            return {}
        return {name: getattr(request, name, None) or None for name in WRITTEN}

    def _output_json(self, output: Output) -> dict[str, Any]:
        facts = asdict(output) | {"text_characters": len(output.text)}
        if not self.text:
            del facts["text"]
        return facts


def _times(generation: Generation, row: OpenRow | None, now: datetime) -> Iterator[tuple[str, str]]:
    attempt = generation.attempt
    yield "opened", moment(generation.opened_at)
    if attempt is not None:
        yield "submitted", moment(attempt.submitted_at)
        yield "next try", moment(attempt.retry_at) if attempt.retry_at and not generation.state.ended else ""
    if generation.ended_at is not None:
        yield "ended", f"{moment(generation.ended_at)}, after {span(generation.ended_at - generation.opened_at)}"
        yield "announced", "yes" if _is_announced(generation, row) else "not yet"
    if row is not None:
        yield "next check", f"{moment(row.due_at)}, {seen_from(now, row.due_at)}"


def _is_announced(generation: Generation, row: OpenRow | None) -> bool:
    """Whether its event was published: until then an ended generation keeps its row in the open index."""
    return generation.state.ended and row is None


def _is_open(generation: Generation) -> bool:
    return not generation.state.ended


def _is_ending(generation: Generation) -> bool:
    return generation.requested_end is not None and not generation.state.ended


def _released(generation: Generation) -> int:
    return generation.held_credits - generation.captured_credits if generation.state.ended else 0


def _credits_json(generation: Generation) -> dict[str, int]:
    held, captured = generation.held_credits, generation.captured_credits
    return {"held": held, "captured": captured, "released": _released(generation)}


def _credits(generation: Generation) -> str:
    if not generation.state.ended:
        return f"{generation.held_credits} held"
    captured, released = generation.captured_credits, _released(generation)
    return f"{generation.held_credits} held, of these {captured} captured and {released} released"


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
