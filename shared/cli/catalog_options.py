"""What the commands that write an operator's catalogue share: options that say something of a model, and their start.

Rules of this file:
1. ``says_of_models`` gives a command the options of a price, of tier and of quality. It receives them as ``said``.
2. ``on_catalogue`` opens the file and runs a command with it: with the app if the file or the command needs it, else
   without any setting.
3. What is proposed counts what a credit is sold for and what the plans must keep.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any

import typer

from shared.cli.catalog_place import Opened, Place, opened
from shared.cli.catalog_saying import Said, sold_for
from shared.cli.context import CommandContext, Operations, RefusedError
from shared.core.catalog.catalog import QUALITIES
from shared.core.catalog.reading import CatalogError
from shared.core.values import replace

File = Annotated[
    str | None, typer.Option("--file", help="Your catalogue file, if CATALOG_FILE names none.", metavar="PATH")
]

#: The options of ``Said``, by its fields: their type, and typer's option.
_OPTIONS: tuple[tuple[str, Any, Any], ...] = (
    (
        "prices",
        list[str] | None,
        typer.Option("--price", help="USD for a unit, such as 0.04/image. Repeat it.", metavar="USD/UNIT"),
    ),
    ("page", str | None, typer.Option(help="The page where the price was read.", metavar="URL")),
    ("day", str | None, typer.Option(help="The day on which the price was true.", metavar="DATE")),
    (
        "credits",
        int | None,
        typer.Option(help="Credits; by default those of the margin rule.", min=1, max=1_000_000, metavar="N"),
    ),
    (
        "run_s",
        int | None,
        typer.Option("--run-s", help="The machine's seconds that one output takes at worst.", min=1, max=86_400),
    ),
    ("tier", str | None, typer.Option(help="The lowest tier that includes it.", metavar="free|basic|premium")),
    ("quality", str | None, typer.Option(help="Its quality class.", metavar="|".join(QUALITIES))),
)

#: Runs a command on the opened file. It receives what was said, and the app if it is needed.
Work = Callable[[Operations | None, Opened, Said], Awaitable[int]]


def says_of_models(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of ``Said`` in place of its parameter ``said``."""

    @wraps(command)
    def run(**options: Any) -> None:
        said = {name: options.pop(name) for name, _, _ in _OPTIONS}
        command(said=Said(**said | {"prices": said["prices"] or ()}), **options)

    own = inspect.signature(command, eval_str=True)
    before = [each for name, each in own.parameters.items() if name != "said"]
    kind = inspect.Parameter.KEYWORD_ONLY
    more = [
        inspect.Parameter(name, kind, default=None, annotation=Annotated[of, option]) for name, of, option in _OPTIONS
    ]
    whole = [*(each.replace(kind=kind) for each in before), *more]
    run.__signature__ = own.replace(parameters=whole)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {each.name: each.annotation for each in whole}
    return run


def on_catalogue(
    context: CommandContext, file: str | None, said: Said, work: Work, *, writes: bool = True, alone: bool = True
) -> None:
    """Run a command on the operator's file. Raises typer.Exit with the exit code.

    ``writes`` is false if it only shows, and then needs no file; ``alone`` if it needs nothing but the file.
    """
    try:
        place = Place.of(context.env, file, writes=writes)
        sold = replace(said, credit_usd_micros=sold_for(context.env))
    except RefusedError as refused:
        context.screen.complain(str(refused))
        raise typer.Exit(1) from None

    async def run(operations: Operations | None) -> int:
        try:
            mine = await opened(operations, place)
            return await work(operations, mine, replace(sold, plan_margins=mine.plan_margins()))
        except CatalogError as error:
            raise RefusedError(f"Nothing was written. {error}") from None

    if alone and not place.needs_app:
        context.do_alone(lambda: run(None))
    context.do(run, loads=False)
