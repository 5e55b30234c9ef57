"""The catalogue: check.

Rules of this file:
1. Checking reads only, here and at Replicate.
"""

from typing import TYPE_CHECKING, Protocol, cast

import typer

from shared.cli.desk import RefusedError, Rooms, desk_of

if TYPE_CHECKING:
    from shared.adapters.replicate.api import ReplicateApi

catalog = typer.Typer(help="The models that are offered: check.", no_args_is_help=True, rich_markup_mode=None)


class _Provider(Protocol):
    @property
    def api(self) -> "ReplicateApi":
        """All that Replicate offers."""


@catalog.callback()
def _group() -> None:
    """Keep ``check`` a command of its own: typer would call the only one of a group without its name."""


@catalog.command("check")
def check(context: typer.Context) -> None:
    """Compare the catalogue with Replicate as it is now.

    Prints what would break a request: models that are gone, inputs that have changed.
    The exit code is 1 if there is anything.
    """
    desk = desk_of(context)

    async def command(rooms: Rooms) -> int:
        # Not above: the other commands need no HTTP client, and would wait for it.
        from shared.adapters.replicate.drift import drift  # noqa: PLC0415
        from shared.adapters.replicate.errors import ReplicateError  # noqa: PLC0415

        house = rooms.house
        try:
            found = await drift(cast("_Provider", house.provider).api, house.catalog)
        except ReplicateError as trouble:
            raise RefusedError(f"Replicate could not be asked. {trouble}") from None
        if not found:
            desk.screen.say(f"All {len(house.catalog.models)} models are as the catalogue says.")
            return 0
        desk.screen.table(("MODEL", "FIELD", "WHAT DRIFTED"), [(each.model, each.field, each.text) for each in found])
        return 1

    desk.do(command)
