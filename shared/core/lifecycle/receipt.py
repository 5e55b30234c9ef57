"""The receipt of a generation: what was asked, made, screened and paid, as facts that are saved with its end.

Rules of this file:
1. The facts are saved once, in the transaction that ends the generation. Later they are only signed (money/signed.py),
   so they are the same after the files were deleted and the catalogue has changed.
2. A receipt may be shown to anybody: it has no prompt, no text of a user, no address of a file and no cost at the
   provider. The fields of the request are named here one by one, so that a new one does not slip in.
3. Nothing in a generation keeps its facts from being saved: what has no canonical form is made to have one.
"""

from collections.abc import Sequence
from typing import Any

from shared.core.keys import row_key
from shared.core.lifecycle.generation import Closed, G, Generation, Received, Transition
from shared.core.money.chain import LedgerRef, micros
from shared.core.money.signed import canonical
from shared.core.requests.messages import GenerationRequest
from shared.core.values import replace

#: The form of the facts.
VERSION = "darkroom.receipt.1"

#: How credits were reckoned. Whoever changes it raises ``VERSION``.
RULE = "captured = unit x outputs delivered; released = held - captured"

#: The fields of a request that are facts. Texts, files and what belongs to them are left out.
ASKED = (
    "model",
    "modality",
    "kind",
    "width",
    "height",
    "aspect_ratio",
    "num_outputs",
    "num_inference_steps",
    "guidance_scale",
    "seed",
    "prompt_strength",
    "lora_scale",
    "output_format",
    "quality",
    "max_tokens",
    "temperature",
    "top_k",
    "top_p",
    "fps",
    "motion",
    "duration_s",
    "resolution",
    "continuation",
    "training_steps",
    "learning_rate",
    "batch_size",
    "lora_rank",
    "autocaption",
    "gradient_checkpointing",
    "max_credits",
    "allow_fallback",
    "strict",
)


def receipted(transition: Transition[G]) -> Transition[G]:
    """A transition whose entries are sealed, with what the receipt needs: the entries, and at the end all facts."""
    generation = transition.generation
    if isinstance(generation, Received) or generation.receipt:
        return transition
    before = generation.ledger if isinstance(generation, Generation) else ()
    refs = (*before, *_refs(transition))
    if generation.state.ended:
        facts = canonical(facts_of(generation, refs)).decode()
        return replace(transition, generation=replace(generation, receipt=facts))
    if isinstance(generation, Generation) and refs != before:
        return replace(transition, generation=replace(generation, ledger=refs))
    return transition


def _refs(transition: Transition[G]) -> tuple[LedgerRef, ...]:
    """The entries of the generation itself. What was due before it is the account's."""
    key = transition.generation.key
    mine = [entry for entry in transition.entries if entry.entry_id == row_key(key) and entry.generation_id]
    return tuple(LedgerRef(entry.move.value, entry.seq, entry.digest) for entry in mine)


def facts_of(generation: Generation | Closed, entries: Sequence[LedgerRef]) -> dict[str, Any]:
    """The facts of an ended generation. One that never opened has no model and no outputs, and costs nothing."""
    opened = generation if isinstance(generation, Generation) else None
    return {
        "version": VERSION,
        **generation.key.properties,
        "outcome": generation.state.value,
        "reason": generation.reason.value if generation.reason else None,
        "opened_at": micros(generation.opened_at),
        "ended_at": micros(generation.ended_at) if generation.ended_at else None,
        "asked": _asked(generation.request),
        "made_by": _made_by(opened) if opened else None,
        "delivered": _delivered(opened),
        "verdicts": [
            {
                "subject": _text(record.subject),
                "at": micros(record.at),
                "allowed": record.allowed,
                "category": _text(record.category) or None,
                "policy": _text(record.policy),
                "plan": _text(record.plan),
                "screeners": [_text(name) for name in record.screeners],
            }
            for record in generation.screenings
        ],
        "credits": _credits(opened),
        "ledger": [{"move": each.move, "seq": each.seq, "digest": each.digest} for each in entries],
    }


def _asked(request: GenerationRequest | None) -> dict[str, Any]:
    """The request's fields that are facts. A number with a fraction is a text: its digits as Python writes them."""
    if request is None:
        return {}
    given = {name: getattr(request, name) for name in ASKED}
    return {name: _fact(value) for name, value in given.items() if value is not None}


def _made_by(generation: Generation) -> dict[str, Any]:
    attempt = generation.attempt
    return {
        "model": attempt.model,
        "provider": attempt.provider,
        "target": attempt.target,
        "prediction_id": _text(attempt.prediction_id) if attempt.prediction_id else None,
        "chosen_by": generation.chosen_by.value if generation.chosen_by else None,
        "attempts": attempt.number,
        "seed": attempt.seed,
    }


def _delivered(generation: Generation | None) -> dict[str, Any]:
    return {
        "outputs": [
            {
                "name": output.name,
                "content_type": output.content_type,
                "size_bytes": output.size_bytes,
                "width": output.width,
                "height": output.height,
                "sha256": output.sha256,
            }
            for output in (generation.outputs if generation else ())
        ],
        "refused_outputs": generation.refused_outputs if generation else 0,
    }


def _credits(generation: Generation | None) -> dict[str, Any]:
    held, captured = (generation.held_credits, generation.captured_credits) if generation else (0, 0)
    return {
        "rule": RULE,
        "unit": generation.attempt.unit_credits if generation else 0,
        "held": held,
        "captured": captured,
        "released": held - captured,
    }


def _fact(value: object) -> object:
    if isinstance(value, float):
        return repr(value)
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    """The text, with half a surrogate pair, which is no text in UTF-8, as a question mark."""
    return value.encode(errors="replace").decode()
