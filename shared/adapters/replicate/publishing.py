"""Reads a model at Replicate as it is published, for the catalogue: its inputs, its output, whether it is official."""

from shared.adapters.replicate.sdk.api import ReplicateApi
from shared.adapters.replicate.sdk.types import Model, Version
from shared.core.catalog.drafting.published import Published, read_published


async def published_at(api: ReplicateApi, name: str) -> Published:
    """The model owner/name with its latest version.

    Raises:
        NotFoundError: there is no such model.
        ReplicateError: it could not be read.
        CatalogError: it publishes no inputs.
    """
    live = await api.models.get(name)
    return published_of(name, live, live.latest_version)


def published_of(name: str, live: Model, version: Version | None) -> Published:
    """A model with one of its versions. Raises CatalogError if it publishes no inputs."""
    example = live.default_example
    return read_published(
        name,
        {
            "is_official": live.is_official,
            "description": live.description,
            "latest_version": {"id": version.id, "openapi_schema": version.openapi_schema} if version else None,
            "default_example": {"output": example.output, "metrics": dict(example.metrics)} if example else None,
        },
    )
