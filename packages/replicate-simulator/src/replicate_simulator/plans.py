"""PURE: how a prediction will go: what it makes, how long it takes, and what its faults do to it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from replicate_simulator.models import Model
from replicate_simulator.predictions import Plan
from replicate_simulator.schemas import Order

Faults = Mapping[str, Mapping[str, Any]]

_ALL_NSFW: Final = "All generated images contained NSFW content. Try running it again with a different prompt."
_FLAGGED: Final = (
    "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (simulated)"
)
_OVERLOADED: Final = "Service is currently unavailable due to high demand. Please try again later. (E003) (simulated)"


def plan_of(order: Order, seed: int, outputs: tuple[str, ...], times_s: tuple[float, float], faults: Faults) -> Plan:
    """Returns how a prediction will go; `times_s`: from its creation to its start, and from there to its end."""
    model = order.target.model
    plan = Plan(*times_s, outputs, logs=_logs(order, seed))
    if "slow_start" in faults:
        plan = replace(plan, start_s=faults["slow_start"]["seconds"])
    if "stuck" in faults:
        plan = replace(plan, run_s=None)
    if "nsfw_partial" in faults and model.modality == "image" and model.output == "list":
        plan = _without_nsfw(plan, int(faults["nsfw_partial"]["drop"]))
    if "nsfw_all" in faults:
        plan = replace(plan, error=_refusal(model))
    if "overloaded" in faults:
        plan = replace(plan, error=_OVERLOADED)
    if "failed" in faults:
        plan = replace(plan, error=faults["failed"]["error"], boots=not faults["failed"]["before_start"])
    if "abort" in faults:
        plan = replace(plan, error=None, boots=False)
    return plan


def _refusal(model: Model) -> str:
    """Returns the words of the open FLUX models, which look at their pictures themselves, or of what runs elsewhere."""
    return _ALL_NSFW if model.modality == "image" and model.output == "list" else _FLAGGED


def _logs(order: Order, seed: int) -> str:
    if order.target.model.modality != "training":
        return f"Using seed: {seed}\n"
    steps = int(order.target.model.given(order.input).get("steps") or 1000)
    return f"flux_train_replicate: 100%|██████████| {steps}/{steps} [00:01<00:00]\n"


def _without_nsfw(plan: Plan, drop: int) -> Plan:
    """Takes the last outputs away, but never the first one: a prediction without any has failed."""
    kept = max(1, len(plan.outputs) - drop)
    lines = (f"NSFW content detected in image {index}\n" for index in range(kept, len(plan.outputs)))
    return replace(plan, outputs=plan.outputs[:kept], logs=plan.logs + "".join(lines))
