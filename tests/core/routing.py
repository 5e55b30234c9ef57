"""Helpers: the model that serves a request of a plan, or the sentence that refuses it."""

from dataclasses import replace
from typing import Any

from dev.fakes.catalogs import REAL, REQUEST, plans_of
from shared.core.catalog.catalog import Catalog
from shared.core.catalog.choosing import Quote, quote
from shared.core.reasons import Refusal


def outcome(plan: str, of: Catalog = REAL, **said: Any) -> Quote | Refusal:
    """The quote or the refusal of a request on this plan."""
    return quote(of, replace(REQUEST, **said), plans_of(of)[plan])


def served(plan: str, of: Catalog = REAL, **said: Any) -> str:
    """The name of the model that serves."""
    offer = outcome(plan, of, **said)
    assert isinstance(offer, Quote), offer
    return offer.model.name


def refused(plan: str, of: Catalog = REAL, **said: Any) -> str:
    """The sentence of a refusal."""
    refusal = outcome(plan, of, **said)
    assert isinstance(refusal, Refusal), refusal
    return refusal.text
