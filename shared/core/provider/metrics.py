"""Which of the metrics that come with a prediction are kept.

Rules of this file:
1. The metrics are a stranger's open map. What is kept fits many times into a column of a row, and can be stored there.
   Texts with half of a surrogate pair, numbers that are not finite (1e999), lists and objects are left out.
2. The metrics from which costs are calculated are kept first.
"""

import math
from collections.abc import Iterable, Mapping

#: A provider's metrics: an open map.
Metrics = Mapping[str, float | str | bool]

#: The most metrics kept, and the longest names and texts in them. Real predictions have a dozen, of 40 characters.
MOST_METRICS, NAME_CHARACTERS, WORD_CHARACTERS = 64, 64, 128

#: Larger integers are not read exactly by every JSON reader.
_MOST_WHOLE = 2**53


def kept_metrics(value: object, first: Iterable[str] = ()) -> dict[str, float | str | bool]:
    """The metrics that are kept, in their order. Those named in ``first`` have priority."""
    if not isinstance(value, Mapping):
        return {}
    priced = {name: value[name] for name in first if name in value and _fits(name, value[name])}
    room = MOST_METRICS - len(priced)
    others = (name for name, item in value.items() if name not in priced and _fits(name, item))
    kept = set(priced) | {name for name, _ in zip(others, range(room), strict=False)}
    return {name: item for name, item in value.items() if name in kept}


def _fits(name: object, item: object) -> bool:
    if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARACTERS or not name.isprintable():
        return False
    if isinstance(item, str):
        return len(item) <= WORD_CHARACTERS and item.isprintable()
    if isinstance(item, int):  # including True and False
        return abs(item) <= _MOST_WHOLE
    return isinstance(item, float) and math.isfinite(item)
