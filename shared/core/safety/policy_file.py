"""Reading a moderation policy from TOML.

Rules of this file:
1. A policy is checked completely when it is read. An error names the file and the place.
2. Leaving something out allows nothing: every category needs its threshold, and an unknown name is an error. The names
   of plans are checked when both files are read (``check_plans``).
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from shared.core.safety.moderation import UNSCREENED_MODALITIES, Category, Partial, Policy, ScreenerRule, Topic
from shared.core.training.contents import MOST_PICTURES

#: The range of a threshold. 8 refuses nothing of a category, because the highest severity is 7.
LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 1, 8

#: A name of a host: no number of an address, no port, no wildcard.
_HOST = re.compile(r"(?=.{1,253}$)([a-z0-9-]{1,63}\.)+[a-z]{2,63}", re.ASCII)

_TOPICS = {topic.value for topic in Topic}
_TABLES = {
    "version",
    "refuse_from",
    "plans",
    "allow_topics",
    "partial_outputs",
    "unscreened",
    "loosened",
    "screeners",
    "sample_pictures_above",
    "lora_hosts",
}

#: Bounds of a screener's rule. An invocation has two minutes for everything.
_BOUNDS: Mapping[str, tuple[float, float]] = {"timeout_s": (0.1, 60), "failures": (1, 1000), "pause_s": (0.1, 3600)}


class PolicyError(ValueError):
    """The policy cannot be used. The text names the file and the place."""


def parse_policy(text: str, file: str = "moderation.toml") -> Policy:
    """Read a policy from TOML. Raises PolicyError for the first problem."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file}: not TOML: {error}") from error
    reading = _Reading(file)
    reading.known("", raw, _TABLES)
    version = raw.get("version")
    if not isinstance(version, str) or not version:
        raise PolicyError(f"{file}, version: must be a text that is not empty")
    refuse_from = reading.thresholds("refuse_from", raw.get("refuse_from", {}))
    for category in Category:
        if category not in refuse_from:
            raise PolicyError(f"{file}, refuse_from: {category.value} is missing")
    return Policy(
        version=version,
        refuse_from=refuse_from,
        plans=reading.plans(reading.table("plans", raw.get("plans", {}))),
        allow_topics=frozenset(map(Topic, reading.among("allow_topics", raw.get("allow_topics", []), _TOPICS))),
        partial_outputs=reading.partial(raw.get("partial_outputs", Partial.DELIVER_SAFE.value)),
        unscreened=reading.among("unscreened", raw.get("unscreened", []), UNSCREENED_MODALITIES),
        sample_pictures_above=reading.count("sample_pictures_above", raw.get("sample_pictures_above", 0)),
        lora_hosts=reading.hosts("lora_hosts", raw.get("lora_hosts", [])),
        screeners=reading.screeners(reading.table("screeners", raw.get("screeners", {}))),
        loosened=reading.names("loosened", raw.get("loosened", [])),
    )


def check_plans(policy: Policy, plans: Collection[str], file: str = "moderation.toml") -> None:
    """Check that each plan of the policy exists. Otherwise a typing error would leave a plan without its thresholds."""
    for name in policy.plans:
        if name not in plans:
            raise PolicyError(f"{file}, plans.{name}: must be one of {', '.join(plans)}")


class _Reading:
    """Reads the values of one file. Every error names the file and the place."""

    def __init__(self, file: str) -> None:
        self._file = file

    def wrong(self, where: str, must: str) -> PolicyError:
        return PolicyError(f"{self._file}, {where}: {must}")

    def table(self, where: str, raw: Any) -> Mapping[str, Any]:
        if not isinstance(raw, dict):
            raise self.wrong(where, "must be a table")
        return raw

    def known(self, where: str, raw: Mapping[str, Any], names: set[str]) -> None:
        for name in raw:
            if name not in names:
                raise self.wrong(f"{where}.{name}".strip("."), f"is not known; known are {', '.join(sorted(names))}")

    def names(self, where: str, raw: Any) -> frozenset[str]:
        if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
            raise self.wrong(where, "must be a list of texts")
        return frozenset(raw)

    def among(self, where: str, raw: Any, known: Collection[str]) -> frozenset[str]:
        names = self.names(where, raw)
        for name in sorted(names - set(known)):
            raise self.wrong(where, f"{name!r} is not known; known are {', '.join(sorted(known))}")
        return names

    def hosts(self, where: str, raw: Any) -> frozenset[str]:
        if not isinstance(raw, list) or not all(isinstance(each, str) and _HOST.fullmatch(each) for each in raw):
            raise self.wrong(where, "must be a list of names of hosts in small letters, such as huggingface.co")
        return frozenset(raw)

    def count(self, where: str, raw: Any) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= MOST_PICTURES:
            raise self.wrong(where, f"must be a whole number from 0 to {MOST_PICTURES}")
        return raw

    def thresholds(self, where: str, raw: Any) -> dict[Category, int]:
        table = self.table(where, raw)
        self.known(where, table, {category.value for category in Category})
        for name, value in table.items():
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or not LOWEST_THRESHOLD <= value <= HIGHEST_THRESHOLD:
                raise self.wrong(f"{where}.{name}", f"must be from {LOWEST_THRESHOLD} to {HIGHEST_THRESHOLD}")
        return {Category(name): value for name, value in table.items()}

    def plans(self, raw: Mapping[str, Any]) -> dict[str, Mapping[Category, int]]:
        return {name: self.thresholds(f"plans.{name}", table) for name, table in raw.items()}

    def partial(self, raw: Any) -> Partial:
        choices = [choice.value for choice in Partial]
        if raw not in choices:
            raise self.wrong("partial_outputs", f"must be one of {', '.join(choices)}")
        return Partial(raw)

    def screeners(self, raw: Mapping[str, Any]) -> dict[str, ScreenerRule]:
        return {name: self._screener(f"screeners.{name}", self.table(f"screeners.{name}", raw[name])) for name in raw}

    def _screener(self, where: str, raw: Mapping[str, Any]) -> ScreenerRule:
        self.known(where, raw, {*_BOUNDS, "go_on_without"})
        for name, (low, high) in _BOUNDS.items():
            value = raw.get(name, low)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not low <= value <= high or (name == "failures" and not isinstance(raw.get(name, 1), int)):
                raise self.wrong(f"{where}.{name}", f"must be from {low:g} to {high:g}")
        if not isinstance(raw.get("go_on_without", False), bool):
            raise self.wrong(f"{where}.go_on_without", "must be true or false")
        return ScreenerRule(**raw)
