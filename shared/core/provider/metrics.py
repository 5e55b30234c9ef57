"""What is kept of the measurements that come with a prediction.

Rules of this file:
1. The bag is a stranger's and open: what is kept fits a column of a row many times over, and can be written there. A
   name or a word with half a character in it, a number that is none (1e999), a list, an object are left out.
2. What costs are reckoned by is kept first, however much else there is.
"""

import math
from collections.abc import Iterable, Mapping

#: A provider's open bag of measurements.
Metrics = Mapping[str, float | str | bool]

#: How many measurements are kept, and how long their names and words may be; real ones have a dozen, of 40 characters.
MOST_METRICS, NAME_CHARACTERS, WORD_CHARACTERS = 64, 64, 128

#: Whole numbers beyond are not told apart by every reader of JSON.
_MOST_WHOLE = 2**53


def kept_metrics(value: object, first: Iterable[str] = ()) -> dict[str, float | str | bool]:
    """The measurements that are kept, in their order; those named in ``first`` are kept before any other."""
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
    if isinstance(item, int):  # True and False too
        return abs(item) <= _MOST_WHOLE
    return isinstance(item, float) and math.isfinite(item)
