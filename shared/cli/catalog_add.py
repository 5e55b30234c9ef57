"""``catalog add``: a model of Replicate's, written as an entry of the operator's own catalogue.

Rules of this file:
1. The model is read from Replicate, or from a file with its schema. A guess stays marked until it is confirmed, and a
   marked entry is not offered.
2. Nothing runs at Replicate unless --try says so, and then one cheap prediction.
3. Rights on the catalogue file are the only rights needed. With --from and a path, no settings are needed either.
4. An entry that is replaced keeps what only somebody who knows the model could have written (keeping.py).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.catalog_options import File, on_catalogue, says_of_models
from shared.cli.catalog_place import Opened, Place
from shared.cli.catalog_saying import Said, asked, keyboard_is_there, today, with_said
from shared.cli.context import CommandContext, Operations, RefusedError, command_context_of
from shared.config.data_files import MOST_BYTES
from shared.core.catalog.catalog import Model
from shared.core.catalog.drafting.draft import Draft, draft
from shared.core.catalog.drafting.keeping import with_kept
from shared.core.catalog.drafting.published import Published, read_published
from shared.core.catalog.drafting.writing import changed_entry, entry_text, with_entry
from shared.core.modality import Modality
from shared.core.reasons import Refusal, counted
from shared.core.requests.fields import MODALITIES
from shared.core.values import replace

if TYPE_CHECKING:
    from shared.adapters.replicate.trying import Tried

Source = Annotated[
    str | None, typer.Option("--from", help="A file with its openapi_schema, instead of Replicate.", metavar="FILE")
]
Name = Annotated[str, typer.Option(help="Our name for it; default: its own.", metavar="NAME", show_default=False)]
Makes = Annotated[
    str | None, typer.Option(help="What it makes, if the schema does not say.", metavar="|".join(MODALITIES))
]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="Another value, in TOML. Repeat it.", metavar="PLACE=VALUE")
]
Accept = Annotated[list[str] | None, typer.Option(help="Confirm a guess, or `all`. Repeat it.", metavar="PLACE")]
Ask = Annotated[bool | None, typer.Option("--ask/--no-ask", help="Ask; default: on a terminal.")]
Tries = Annotated[bool, typer.Option("--try", help="Test it with one cheap prediction, which costs money.")]
Picture = Annotated[
    str, typer.Option(help="For --try: the https address of a picture, if it needs one.", metavar="URL")
]
Replaces = Annotated[bool, typer.Option("--replace", help="Replace an entry of this name in your file.")]
Shows = Annotated[bool, typer.Option("--show", help="Show the entry and write nothing.")]


@says_of_models
def add(  # noqa: PLR0913, PLR0917  # each is an option of the command
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="The model at Replicate.", metavar="OWNER/NAME")],
    said: Said,
    source: Source = None,
    name: Name = "",
    modality: Makes = None,
    changes: Changes = None,
    accept: Accept = None,
    ask: Ask = None,
    tries: Tries = False,
    picture: Picture = "",
    file: File = None,
    replaces: Replaces = False,
    shows: Shows = False,
) -> None:
    """Add a model of Replicate's to your catalogue.

    Reads its input schema and writes an entry with every guess marked. A marked or unpriced entry is not offered.
    """
    if modality is not None and modality not in MODALITIES:
        raise typer.BadParameter(f"--modality must be one of {', '.join(MODALITIES)}")
    made = Modality(modality) if modality else None
    asks = keyboard_is_there() if ask is None else ask
    adding = _Adding(command_context_of(context), model, source, name, made, picture, asks, tries, replaces, shows)
    whole = replace(said, changes=changes or (), accepted=accept or ())
    alone = source is not None and not tries
    on_catalogue(adding.context, file, whole, adding.added, writes=not shows, alone=alone)


@dataclass(frozen=True, slots=True)
class _Adding:
    """One run of the command, with its options."""

    context: CommandContext
    model: str
    source: str | None
    name: str
    modality: Modality | None
    picture: str
    asks: bool
    tries: bool
    replaces: bool
    shows: bool

    async def added(self, operations: Operations | None, file: Opened, said: Said) -> int:
        """Draft, ask, check, try, show and write. Raises RefusedError and CatalogError."""
        published = await _published(operations, self.model, self.source)
        made = draft(published, self.name, self.modality)
        before = changed_entry(file.text, made.name)
        if before and not self.replaces:
            raise RefusedError(f"{file.place.name} has a model {made.name} already. --replace replaces it.")
        made = with_said(with_kept(made, before, published.inputs), said, today())
        if self.asks:
            made = asked(self.context.screen, made, said)
        _expect_same_model(file, made, self.model)
        file.checked(_text(file, made, published))
        if self.tries and operations is not None:
            made = await _tried(self.context, operations, made, self.picture)
        _show(self.context, made, published)
        if self.shows:
            return 0
        await file.write(operations, _text(file, made, published))
        _say_todo(self.context, file.place, made)
        return 0


async def _published(operations: Operations | None, model: str, source: str | None) -> Published:
    """The model as it is published, from a file or from Replicate. Raises RefusedError."""
    if source is not None:
        return read_published(_owner_name(model), _document(source))
    # Imported here, because the other commands need no HTTP client and should not wait for its import.
    from shared.adapters.replicate.publishing import published_at  # noqa: PLC0415
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415

    if operations is None:
        raise RefusedError("Replicate can only be read with the app's settings.")
    try:
        return await published_at(operations.replicate.api, _owner_name(model))
    except ReplicateError as trouble:
        raise RefusedError(f"{model} could not be read at Replicate. {trouble}") from None


def _owner_name(model: str) -> str:
    owner, slash, name = model.partition("/")
    if not (slash and owner and name) or "/" in name or ":" in name:
        raise RefusedError("The model must be OWNER/NAME, as on its page at Replicate, without a version.")
    return model


def _document(source: str) -> object:
    path = Path(source)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise RefusedError(f"{source} is larger than {MOST_BYTES} bytes.")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RefusedError(f"{source} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise RefusedError(f"{source} is not JSON.") from None


def _text(file: Opened, made: Draft, published: Published) -> str:
    return with_entry(file.text, made.name, made.entry, tuple(_comments(made, published)))


def _expect_same_model(file: Opened, made: Draft, model: str) -> None:
    """Refuse a name of another model: the entry would be laid over it, field by field."""
    known = file.checked("").find(made.name)
    if known is not None and known.target.partition(":")[0] != model:
        raise RefusedError(f"The catalogue's {made.name} is {known.target.partition(':')[0]}. Say another --name.")


def _comments(made: Draft, published: Published) -> list[str]:
    version = f", version {published.version[:12]}" if published.version else ""
    read = f"Read from the schema of {published.name}{version} on {today().isoformat()}."
    return [read, *(f"Not sent: {name} ({why})." for name, why in made.left_out.items())]


async def _tried(context: CommandContext, operations: Operations, made: Draft, picture: str) -> Draft:
    """The draft after one cheap prediction. Raises RefusedError if it failed."""
    from shared.adapters.replicate.sdk.errors import ReplicateError  # noqa: PLC0415  # as above
    from shared.adapters.replicate.trying import cheapest, try_once  # noqa: PLC0415

    model = _model(made)
    inputs = cheapest(model, picture)
    if isinstance(inputs, Refusal):
        raise RefusedError(f"It cannot be tried: {inputs.text}. --picture gives it a picture.")
    try:
        tried = await try_once(operations.replicate.api, model, inputs)
    except ReplicateError as trouble:
        raise RefusedError(f"The try failed, and nothing was written. {trouble}") from None
    if tried.error:
        raise RefusedError(f"The try failed, and nothing was written. Prediction {tried.prediction_id}: {tried.error}")
    context.screen.say(f"Prediction {tried.prediction_id} succeeded in {tried.run_s:g} s.")
    return _learned(made, tried)


def _model(made: Draft) -> Model:
    from shared.core.catalog.file import build_catalog  # noqa: PLC0415  # only a try needs it

    return build_catalog({"version": "draft", "models": {made.name: made.entry}}).models[made.name]


def _learned(made: Draft, tried: "Tried") -> Draft:
    """The draft with what the prediction showed: the shape of the output, and how long it took."""
    if tried.shape and made.table["modality"] != Modality.TRAINING:
        made = made.changed("output", tried.shape)
    if tried.run_s and "expected_s" in made.marks:
        made = made.changed("expected_s", max(1, round(tried.run_s)))
    return made


def _show(context: CommandContext, made: Draft, published: Published) -> None:
    screen = context.screen
    screen.say(entry_text(made.name, made.table))
    if made.left_out:
        screen.table(("NOT SENT", "WHY"), list(made.left_out.items()))
        screen.say("")
    if made.marks:
        screen.table(
            ("GUESSED", "VALUE", "WHY"), [(place, _short(made, place), why) for place, why in made.marks.items()]
        )
        screen.say("")
    if published.output is None and "output" not in made.marks:
        screen.say("The document has no output shape; yours was taken.")


def _short(made: Draft, place: str) -> str:
    value: Any = made.at(place)
    if isinstance(value, Mapping):
        return str(value.get("field", value.get("type", "")))
    return "" if value is None else str(value)


def _say_todo(context: CommandContext, place: Place, made: Draft) -> None:
    screen = context.screen
    screen.say(f"{made.name} was written to {place.name}.")
    if made.marks:
        marks = counted(len(made.marks), "open mark")
        screen.say(f"It is not offered yet: it has {marks}. Delete those that are right, or add it with --accept.")
    if "prices" not in made.table:
        screen.say(f"It is not offered yet: it has no price. {context.program} catalog price {made.name} gives it one.")
    for step in place.todo():
        screen.say(f"- {step}")
