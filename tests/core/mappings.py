"""Helpers: map a request to the inputs of a model, or get the refusal."""

from dataclasses import replace
from typing import Any

from dev.fakes.catalogs import REQUEST, catalog, model
from shared.core.catalog.catalog import Model
from shared.core.catalog.mapping import Mapped, inputs_of
from shared.core.reasons import Reason, Refusal

PICTURE = "https://pictures.example/cat.png"


def one(inputs: dict[str, Any], **changes: Any) -> Model:
    """A model with these inputs."""
    return catalog({"m": model(inputs, **changes)}).models["m"]


def mapped(inputs: dict[str, Any], table: dict[str, Any] | None = None, **said: Any) -> Mapped:
    """A request as a model with these inputs takes it."""
    result = inputs_of(one(inputs, **(table or {})), replace(REQUEST, **said), seed=7)
    assert isinstance(result, Mapped)
    return result


def refusal(inputs: dict[str, Any], table: dict[str, Any] | None = None, **said: Any) -> str:
    """Why such a model does not take the request."""
    result = inputs_of(one(inputs, **(table or {})), replace(REQUEST, **said), seed=7)
    assert isinstance(result, Refusal)
    assert result.reason is Reason.INVALID_REQUEST
    return result.text
