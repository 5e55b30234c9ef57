"""A generation as facts: for programs as JSON, for people as named lines.

Rules of this file:
1. No prompt, and nothing else that a user wrote, unless it was asked for.
2. Both forms say the same; a field that is not known is null in JSON and left out for people.
"""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from shared.cli.screen import moment, seen_from, span
from shared.core.generation import Generation
from shared.core.messages import Output
from shared.ports import OpenRow

#: What of a request and of a model's inputs makes up a size.
_ASKED = ("width", "height", "aspect_ratio", "num_outputs")
_SENT = ("width", "height", "aspect_ratio", "megapixels", "num_outputs")


def as_json(generation: Generation, row: OpenRow | None, *, prompt: bool) -> dict[str, Any]:
    """The facts as JSON values; times are ISO 8601. ``row`` is the generation's row in the open index."""
    attempt, request = generation.attempt, generation.request
    described: dict[str, Any] = {
        "generation_id": generation.key.generation_id,
        "user_id": generation.key.user_id,
        "state": generation.state.value,
        "reason": {"code": generation.reason.value, "text": generation.text} if generation.reason else None,
        "ending": generation.ending.value if generation.ending else None,
        "model": attempt.model if attempt else None,
        "chain": list(generation.chain),
        "attempts": attempt.number if attempt else 0,
        "tries": attempt.tries if attempt else 0,
        "asked": _chosen(asdict(request), _ASKED) if request else {},
        "sent": _chosen(dict(attempt.inputs), _SENT) if attempt else {},
        "seed": attempt.seed if attempt else None,
        "prediction_id": attempt.prediction_id if attempt else None,
        "credits": {
            "held": generation.held_credits,
            "captured": generation.captured_credits,
            "released": _released(generation),
        },
        "outputs": [asdict(output) for output in generation.outputs],
        "refused_outputs": generation.refused_outputs,
        "ignored_fields": list(generation.ignored_fields),
        "opened_at": generation.opened_at.isoformat(),
        "submitted_at": attempt.submitted_at.isoformat() if attempt else None,
        "retry_at": attempt.retry_at.isoformat() if attempt and attempt.retry_at else None,
        "ended_at": generation.ended_at.isoformat() if generation.ended_at else None,
        "announced": _is_announced(generation, row),
        "due_at": row.due_at.isoformat() if row else None,
    }
    if prompt:
        described["prompt"] = request.prompt if request else None
        described["negative_prompt"] = request.negative_prompt if request else None
    return described


def as_lines(generation: Generation, row: OpenRow | None, now: datetime, *, prompt: bool) -> Iterator[tuple[str, str]]:
    """The facts as named values; an empty value is one that is not known."""
    yield "generation", generation.key.generation_id
    yield "user", generation.key.user_id
    yield "state", generation.state.value
    yield "reason", f"{generation.reason}: {generation.text}" if generation.reason else ""
    yield "ending", f"{generation.ending}, once Replicate has confirmed it" if _is_ending(generation) else ""
    if prompt and generation.request:
        yield "prompt", generation.request.prompt
        yield "negative prompt", generation.request.negative_prompt or ""
    yield from _of_attempt(generation)
    yield "credits", _credits(generation)
    for output in generation.outputs:
        yield "output", _output(output)
    yield "refused outputs", str(generation.refused_outputs or "")
    yield "ignored fields", ", ".join(generation.ignored_fields)
    yield from _times(generation, row, now)


def _of_attempt(generation: Generation) -> Iterator[tuple[str, str]]:
    attempt, request = generation.attempt, generation.request
    if request is not None:
        yield "asked", _told(_chosen(asdict(request), _ASKED))
    if attempt is not None:
        yield "model", attempt.model
        yield "chain", " > ".join(generation.chain) if len(generation.chain) > 1 else ""
        yield "attempts", f"{attempt.number}{f', {attempt.tries} tries at the last' if attempt.tries > 1 else ''}"
        yield "sent", _told(_chosen(dict(attempt.inputs), _SENT))
        yield "seed", f"{attempt.seed}{' (chosen by Darkroom)' if attempt.own_seed else ''}"
        yield "prediction", attempt.prediction_id or ""


def _times(generation: Generation, row: OpenRow | None, now: datetime) -> Iterator[tuple[str, str]]:
    attempt = generation.attempt
    yield "opened", moment(generation.opened_at)
    if attempt is not None:
        yield "submitted", moment(attempt.submitted_at)
        yield "next try", moment(attempt.retry_at) if attempt.retry_at and not generation.state.ended else ""
    if generation.ended_at is not None:
        yield "ended", f"{moment(generation.ended_at)}, after {span(generation.ended_at - generation.opened_at)}"
        yield "app told", "yes" if _is_announced(generation, row) else "not yet"
    if row is not None:
        yield "timer looks", f"{moment(row.due_at)}, {seen_from(now, row.due_at)}"


def _is_announced(generation: Generation, row: OpenRow | None) -> bool:
    """An ended generation keeps its row in the open index until its event was published."""
    return generation.state.ended and row is None


def _is_ending(generation: Generation) -> bool:
    return generation.ending is not None and not generation.state.ended


def _released(generation: Generation) -> int:
    return generation.held_credits - generation.captured_credits if generation.state.ended else 0


def _credits(generation: Generation) -> str:
    if not generation.state.ended:
        return f"{generation.held_credits} held"
    captured, released = generation.captured_credits, _released(generation)
    return f"{generation.held_credits} held, of these {captured} captured and {released} released"


def _output(output: Output) -> str:
    shape = f", {output.width} x {output.height}" if output.width else ""
    return f"{output.container}/{output.name}, {output.content_type}{shape}, {output.size_bytes} bytes"


def _chosen(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if values.get(name) is not None}


def _told(values: dict[str, Any]) -> str:
    """``1024 x 768, num_outputs 2``."""
    told = [f"{name} {value}" for name, value in values.items() if name not in ("width", "height")]
    if "width" in values and "height" in values:
        told.insert(0, f"{values['width']} x {values['height']}")
    else:
        told += [f"{name} {values[name]}" for name in ("width", "height") if name in values]
    return ", ".join(told)
