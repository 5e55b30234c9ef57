"""The destination of a training: a model of the operator's account at Replicate, which gets the new version.

Replicate trains only into a model that exists. ``train --create`` makes it: private unless told otherwise, on hardware
that Replicate has.
"""

from dataclasses import dataclass

from shared.cli.context import Operations, RefusedError


@dataclass(frozen=True, slots=True)
class Destination:
    """What was asked about a destination. ``hardware`` is empty if it is not to be created."""

    name: str
    create: bool
    hardware: str
    public: bool


async def check_destination(operations: Operations, destination: Destination) -> bool:
    """Check what can be checked before anything is made. Returns whether it has to be made. Raises RefusedError."""
    from shared.adapters.replicate.sdk.errors import NotFoundError, ReplicateError  # noqa: PLC0415  # a large library

    api = operations.replicate.api
    try:
        await api.models.get(destination.name)
    except NotFoundError:
        pass
    except ReplicateError as error:
        raise RefusedError(f"The destination could not be looked up: {error}") from None
    else:
        return False
    if not destination.create:
        raise RefusedError(f"{destination.name} does not exist at Replicate. --create makes it, private by default.")
    try:
        known = [machine.sku for machine in await api.hardware.list()]
    except ReplicateError as error:
        raise RefusedError(f"The hardware could not be looked up: {error}") from None
    if destination.hardware not in known:
        raise RefusedError(f"Replicate has no hardware {destination.hardware!r}. It has {', '.join(known)}.")
    return True


async def create_destination(operations: Operations, destination: Destination) -> None:
    """Make the model. Raises RefusedError with Replicate's own sentence."""
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415  # as above

    try:
        await operations.replicate.api.models.create(
            destination.name, hardware=destination.hardware, private=not destination.public
        )
    except ReplicateError as error:
        raise RefusedError(f"{destination.name} was not made: {error}") from None
