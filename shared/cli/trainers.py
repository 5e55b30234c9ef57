"""Looks up at Replicate a trainer that was named and is not offered: `advanced-trainer` and what came after it."""

from shared.cli.context import Operations


async def sentence_about(operations: Operations, name: str) -> str:
    """What Replicate says of a trainer by this name now: it is there and may be added, or it is not. Empty: no name."""
    from shared.adapters.replicate.sdk.errors import NotFoundError, ReplicateError  # noqa: PLC0415  # a large library

    known = operations.deps.catalog.find(name)
    target = (known.target if known else name).partition(":")[0]
    if "/" not in target:
        return ""
    try:
        await operations.replicate.api.models.get(target)
    except NotFoundError:
        return f"{target} is not at Replicate."
    except ReplicateError as error:
        return f"Replicate could not be asked about {target}: {error}"
    return f"{target} is at Replicate, and not offered here: `catalog add {target}` can change that."
