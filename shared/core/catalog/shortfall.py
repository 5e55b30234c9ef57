"""Why no model serves a request, in a sentence that says what could be requested instead.

Rules of this file:
1. A field whose value no model takes is named, with the nearest values and the models that take them. If each field is
   taken by some model but no model takes them all, the model that takes most is named.
2. The user's numbers are repeated. Words are not, because they are a stranger's.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol

from shared.core.catalog.mapping import Miss, Readings, Taker, spelling
from shared.core.catalog.tiers import Tier
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest

#: The most fields, values or names in a sentence.
_FEW = 3


class Tiered(Taker, Protocol):
    """A model with its tier and its quality."""

    @property
    def quality(self) -> str:
        """Its quality class."""

    @property
    def tier(self) -> Tier:
        """The lowest tier of a plan that includes it."""


def unserved(
    models: Sequence[Tiered], beyond: Sequence[Tiered], readings: Readings, others: Sequence[Tiered] = ()
) -> Refusal:
    """The refusal when none of ``models`` honours a request.

    ``beyond`` are those that only a higher tier includes, the lowest first; ``others`` those of another quality.
    """
    misses = {model.name: readings.misses(model) for model in models}
    able = [missed for missed in misses.values() if not _needs_more(missed, readings.request)]
    able = able or list(misses.values())
    each = [{miss.field for miss in missed} for missed in able]
    fields = [miss.field for miss in able[0] if all(miss.field in missed for missed in each)]
    if fields:
        said = "; ".join(_of_fields(fields, misses, readings.request))
    else:
        name, least = min(misses.items(), key=lambda item: len(item[1]))
        left = " and ".join(miss.field for miss in least[:_FEW])
        said = f"no model takes all of this together: {name} would without {left}"
    other = next((model for model in others if not readings.misses(model)), None)
    if other is not None:
        said = f"{said}; with the quality {other.quality}, {other.name} takes it as it is"
    higher = next((model for model in beyond if not readings.misses(model)), None)
    if higher is not None:
        said = f"{said}; with a plan of the tier {higher.tier.label}, {higher.name} takes it as it is"
    return Refusal(Reason.INVALID_REQUEST, said)


def _needs_more(missed: Sequence[Miss], request: GenerationRequest) -> bool:
    """Whether a model needs a field that the request does not have, such as a picture to start from."""
    return any(miss.rule and getattr(request, miss.field, None) is None for miss in missed)


def _of_fields(
    fields: Sequence[str], misses: Mapping[str, tuple[Miss, ...]], request: GenerationRequest
) -> Iterator[str]:
    """What is wrong with each field that no model takes as it is. Fields that break a rule come first."""
    every = [miss for missed in misses.values() for miss in missed]
    ruled = [field for field in fields if any(miss.field == field and miss.rule for miss in every)]
    for field in ruled[:_FEW]:
        yield _of_field(field, misses, request)
    useless = [field for field in fields if field not in ruled][:_FEW]
    if useless:
        are, them = ("is", "it") if len(useless) == 1 else ("are", "them")
        yield f"{' and '.join(useless)} {are} not taken by {_who(misses)}: leave {them} out"


def _of_field(field: str, misses: Mapping[str, tuple[Miss, ...]], request: GenerationRequest) -> str:
    """The rule that one field breaks, or the nearest values that are taken."""
    found = {name: miss for name, missed in misses.items() for miss in missed if miss.field == field and miss.rule}
    if field == "prompt":
        length = len(request.prompt) + len(request.system_prompt or "")
        name, miss = min(found.items(), key=lambda each: _distance(each[1], length))
        return f"{miss.rule} for {name}"
    value = getattr(request, field, None)
    near = {each: name for name, miss in reversed(found.items()) for each in miss.nearest}
    if not near or len(misses) == 1 or value is None:
        name, miss = next(iter(found.items()))
        return f"{miss.rule} for {name}"
    if isinstance(value, str):
        once = {spelling(each): each for each in sorted(map(str, near))}  # jpeg and jpg are one choice
        return f"{field} must be one of {', '.join(once.values())}"
    numbers = sorted((each for each in near if isinstance(each, (int, float))), key=lambda each: abs(each - value))
    return f"{field} cannot be {value:g}: the nearest is {numbers[0]:g}, by {near[numbers[0]]}"


def _distance(miss: Miss, length: int) -> float:
    """How far a text is from a length that the model takes."""
    return min((abs(each - length) for each in miss.nearest if isinstance(each, int)), default=0)


def _who(misses: Mapping[str, object]) -> str:
    return next(iter(misses)) if len(misses) == 1 else "any model that could serve this"


def nearest_names(name: str, known: Mapping[str, str]) -> list[str]:
    """Our names of the models whose name, ours or the provider's, is most like this. Perhaps none."""
    ours = {spelled.lower(): mine for mine, theirs in known.items() for spelled in (theirs, mine)}
    bare = {spelled.rpartition("/")[2]: mine for spelled, mine in ours.items()}
    wanted = name.strip().lower().partition(":")[0]
    near = get_close_matches(wanted, ours, n=2) + get_close_matches(wanted.rpartition("/")[2], bare, n=2)
    return list(dict.fromkeys({**bare, **ours}[each] for each in near))[:_FEW]


def nearest_model(model: Taker, offered: Sequence[Tiered]) -> str:
    """The offered model that takes most of the fields that this one takes; the lowest tier of several. Empty: none."""
    wanted = {item.field for item in model.inputs.values() if item.field}

    def rank(each: Tiered) -> tuple[int, int, int]:
        takes = {item.field for item in each.inputs.values()}
        return -len(wanted & takes), each.tier, len(takes - wanted)

    return min(offered, key=rank).name if offered else ""
