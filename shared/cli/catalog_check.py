"""``catalog check``: what has drifted at Replicate, and the patch for the operator's own catalogue.

Rules of this file:
1. Without --write it only reads, here and at Replicate. The patch is shown as it would be written.
2. The patch narrows bounds and choices to what is still taken. What cannot be narrowed gets a mark, and a model that is
   gone is hidden: neither is offered until somebody has looked at it.
3. Where a credit has a price, the models below their margin are shown with the arithmetic. They are no difference.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.catalog_costs import show_below
from shared.cli.catalog_options import File
from shared.cli.catalog_place import Place, opened
from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.core.catalog.catalog import Catalog, Model, Status
from shared.core.catalog.drafting.writing import changed_entry, entry_text, with_entry
from shared.core.catalog.reading import CatalogError, laid

if TYPE_CHECKING:
    from shared.adapters.replicate.drift import Drift


def check(
    context: typer.Context,
    write: Annotated[bool, typer.Option("--write", help="Write the patch into your catalogue.")] = False,
    file: File = None,
) -> None:
    """Compare the catalogue with the models at Replicate now.

    Prints what would break a request (missing models, changed inputs), and the patch for your catalogue.
    Retired models are skipped. The exit code is 1 if there is a difference that was not written.
    """
    command_context = command_context_of(context)
    command_context.do(lambda operations: _checked(command_context, operations, file if write else None, writes=write))


async def _checked(context: CommandContext, operations: Operations, file: str | None, *, writes: bool) -> int:
    offered = operations.deps.catalog
    found = await _drift(operations, offered)
    retired = [model for model in offered.models.values() if model.status is Status.RETIRED]
    patch = _patch(found)
    if found:
        context.screen.table(("MODEL", "FIELD", "DIFFERENCE"), [(each.model, each.field, each.text) for each in found])
        context.screen.say("")
        for name, entry in patch.items():
            context.screen.say(entry_text(name, entry))
    else:
        context.screen.say(f"All {len(offered.models) - len(retired)} models are as the catalogue describes them.")
    if retired:
        context.screen.say(f"Skipped because they are retired: {_retired(offered, retired)}")
    show_below(context.screen, offered, operations.deps.plans)
    if not found or not writes:
        return 1 if found else 0
    await _write(context, operations, patch, file)
    return 0


async def _drift(operations: Operations, offered: Catalog) -> "Sequence[Drift]":
    # Imported here, because the other commands need no HTTP client and should not wait for its import.
    from shared.adapters.replicate.drift import drift  # noqa: PLC0415
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415

    try:
        return await drift(operations.replicate.api, offered)
    except ReplicateError as trouble:
        raise RefusedError(f"The models at Replicate could not be read. {trouble}") from None


def _patch(found: "Sequence[Drift]") -> Mapping[str, Mapping[str, Any]]:
    """What the operator's file says instead, by model."""
    patch: dict[str, dict[str, Any]] = {}
    for each in found:
        patch[each.model] = laid(patch.get(each.model, {}), each.fix)
    return patch


async def _write(
    context: CommandContext, operations: Operations, patch: Mapping[str, Mapping[str, Any]], file: str | None
) -> None:
    place = Place.of(context.env, file)
    mine = await opened(operations, place)
    text = mine.text
    try:
        for name, entry in patch.items():
            text = with_entry(text, name, laid(changed_entry(text, name), entry))
    except CatalogError as error:
        raise RefusedError(f"Nothing was written. {error}") from None
    await mine.write(operations, text)
    context.screen.say(f"The patch was written to {place.name}.")
    for step in place.todo():
        context.screen.say(f"- {step}")


def _retired(offered: Catalog, retired: list[Model]) -> str:
    return ", ".join(f"{model.name} ({offered.successor_of(model).name} serves)" for model in retired)
