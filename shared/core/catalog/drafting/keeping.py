"""What somebody wrote by hand into an entry that is drafted again.

Rules of this file:
1. A draft has neither inputs that a request may set, nor fallbacks, nor a margin of its own, because no schema says
   them. Those of the entry that it replaces stay.
2. An input that a request could set goes if the model no longer has it, or if a field fills it now. The draft says so.
3. Bounds and choices are not compared: ``catalog check`` does that for every entry.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.core.catalog.drafting.draft import Draft
from shared.core.values import replace

#: What only somebody who knows the model or the business can say.
_KEPT = ("fallback", "min_margin_percent", "allow_loss", "loss_reason")


def with_kept(draft: Draft, before: Mapping[str, Any], published: Iterable[str]) -> Draft:
    """The draft with what the replaced entry has by hand. ``published`` are the model's inputs now."""
    table = dict(draft.table) | {name: before[name] for name in _KEPT if name in before}
    settable = before.get("settable")
    if not isinstance(settable, Mapping) or not settable:
        return replace(draft, table=table)
    gone = {name: _why_not(draft, name) for name in settable if name not in published or _sent(draft, name)}
    kept = {name: each for name, each in settable.items() if name not in gone}
    left_out = {name: why for name, why in draft.left_out.items() if name not in kept}
    return replace(draft, table=table | ({"settable": kept} if kept else {}), left_out=left_out | gone)


def _sent(draft: Draft, name: str) -> bool:
    return draft.at(f"inputs.{name}") is not None


def _why_not(draft: Draft, name: str) -> str:
    filled = draft.at(f"inputs.{name}")
    now = "the model no longer has it" if filled is None else f"{filled.get('field', name)} fills it now"
    return f"a request could set it, and {now}"
