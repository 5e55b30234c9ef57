"""What an account sees besides its predictions: models with their versions, deployments, files. All is kept in memory.

Rules: the models that run are published from the beginning: those of models.py, then those of the catalog. A model that
the account makes itself is empty until a training gives it a version.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from replicate_simulator.catalog import Catalog
from replicate_simulator.clock import Clock
from replicate_simulator.models import MODELS, TRAINER, Input, Model, trained
from replicate_simulator.predictions import written

#: How long an uploaded file is kept.
FILE_LIFE: Final = timedelta(days=1)
#: When the models that stand here from the beginning were published.
_PUBLISHED: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a model; `model` is what it takes, None where that is not known."""

    number: int
    id: str
    created_at: datetime
    model: Model | None = None

    def shown(self) -> dict[str, Any]:
        """Returns the version as JSON."""
        return {
            "id": self.id,
            "created_at": written(self.created_at, digits=6),
            "cog_version": "0.16.7",
            "openapi_schema": _schema(self.model) if self.model else {},
        }


@dataclass(slots=True)
class Card:
    """A model as it is listed."""

    number: int
    name: str
    created_at: datetime
    visibility: str = "public"
    official: bool = False
    about: dict[str, str] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)

    @property
    def model(self) -> Model | None:
        """What the latest version takes."""
        return self.versions[-1].model if self.versions else None

    def shown(self) -> dict[str, Any]:
        """Returns the model as JSON."""
        owner, name = self.name.split("/")
        links = ("github_url", "paper_url", "license_url", "cover_image_url")
        return {
            "url": f"https://replicate.com/{self.name}",
            "owner": owner,
            "name": name,
            "description": self.about.get("description"),
            "visibility": self.visibility,
            "is_official": self.official,
            "run_count": 0,
            **{link: self.about.get(link) for link in links},
            "default_example": None,
            "latest_version": self.versions[-1].shown() if self.versions else None,
        }


@dataclass(frozen=True, slots=True)
class Release:
    """One state of a deployment."""

    number: int
    model: str
    version: str
    created_at: datetime
    configuration: Mapping[str, Any]


@dataclass(slots=True)
class Deployment:
    """A deployment; `name` is owner/name."""

    number: int
    name: str
    release: Release


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file."""

    number: int
    id: str
    name: str
    content_type: str
    content: bytes = field(repr=False)
    metadata: Mapping[str, Any]
    created_at: datetime

    def shown(self, base_url: str) -> dict[str, Any]:
        """Returns the file as JSON."""
        return {
            "id": self.id,
            "name": self.name,
            "content_type": self.content_type,
            "size": len(self.content),
            "etag": hashlib.md5(self.content, usedforsecurity=False).hexdigest(),
            "checksums": {"sha256": hashlib.sha256(self.content).hexdigest()},
            "metadata": dict(self.metadata),
            "created_at": written(self.created_at, digits=3),
            "expires_at": written(self.created_at + FILE_LIFE, digits=3),
            "urls": {"get": f"{base_url}/v1/files/{self.id}"},
        }


class Library:
    """The models, deployments and files."""

    def __init__(self, clock: Clock, catalog: Catalog) -> None:
        self.models: dict[str, Card] = {}
        self.deployments: dict[str, Deployment] = {}
        #: The models of the catalog that do not run here, and why.
        self.left_out = catalog.left_out
        #: Signs downloads of files.
        self.files_secret = secrets.token_urlsafe(24)
        self._files: dict[str, File] = {}
        self._clock = clock
        self._numbers = count()
        by_hand = {**MODELS, TRAINER.name: TRAINER}
        for model in catalog.models:
            written = by_hand.get(model.name)
            # What is written by hand knows all inputs; the catalog may have pinned another version of it.
            if written is None or model.version not in {None, written.version}:
                self._publish(replace(written, version=model.version) if written else model)
        for model in by_hand.values():
            self._publish(model)

    def _publish(self, model: Model) -> None:
        """Makes a model of somebody else's, or gives it a next version."""
        card = self.models.get(model.name)
        if card is None:
            card = self.add_model(model.name, about={"description": f"{model.name}, simulated"})
            card.created_at -= _PUBLISHED
            card.official = model.official
        self.add_version(card, model.version or hashlib.sha256(model.name.encode()).hexdigest(), model)

    def add_model(self, name: str, *, visibility: str = "public", about: Mapping[str, str]) -> Card:
        """Makes a model without versions."""
        card = Card(next(self._numbers), name, self._clock.now(), visibility, about=dict(about))
        self.models[name] = card
        return card

    def add_version(self, card: Card, version_id: str, model: Model | None = None) -> None:
        """Gives a model a version, as its latest."""
        card.versions.append(Version(next(self._numbers), version_id, self._clock.now(), model))

    def push(self, card: Card, like: Model) -> str:
        """Gives a model a version that takes and makes what another model does, as a push with Cog would."""
        version = hashlib.sha256(f"{card.name} {next(self._numbers)}".encode()).hexdigest()
        self.add_version(card, version, replace(like, name=card.name, version=version, official=False))
        return version

    def add_trained(self, output: str) -> None:
        """Gives a model the version that a training has made for it: `output` is owner/name:version."""
        name, _, version = output.partition(":")
        card = self.models.get(name)
        if card is not None:
            self.add_version(card, version, trained(name, version))

    def deploy(self, name: str, model: str, version: str, configuration: Mapping[str, Any]) -> Deployment:
        """Makes a deployment, or the next release of one that is there."""
        before = self.deployments.get(name)
        number = before.release.number + 1 if before else 1
        release = Release(number, model, version, self._clock.now(), dict(configuration))
        deployment = Deployment(before.number if before else next(self._numbers), name, release)
        self.deployments[name] = deployment
        return deployment

    def add_file(self, name: str, content_type: str, content: bytes, metadata: Mapping[str, Any]) -> File:
        """Keeps a file for a day."""
        file_id = secrets.token_urlsafe(24)
        file = File(next(self._numbers), file_id, name, content_type, content, metadata, self._clock.now())
        self._files[file_id] = file
        return file

    def forget(self, file: File) -> None:
        """Deletes a file."""
        del self._files[file.id]

    @property
    def files(self) -> dict[str, File]:
        """The files that have not expired."""
        oldest = self._clock.now() - FILE_LIFE
        self._files = {file_id: file for file_id, file in self._files.items() if file.created_at > oldest}
        return self._files


def _schema(model: Model) -> dict[str, Any]:
    """Returns a version's OpenAPI schema, with choices in schemas of their own, as Cog writes them."""
    choices = {
        name: {"type": each.kind, "enum": list(each.enum), "title": name}
        for name, each in model.inputs.items()
        if each.enum
    }
    schemas = {
        "Input": {
            "type": "object",
            "title": "Input",
            "required": [name for name, each in model.inputs.items() if each.required],
            "properties": {
                name: _property(name, each, position) for position, (name, each) in enumerate(model.inputs.items())
            },
        },
        "Output": {**_output_schema(model), "title": "Output"},
        **choices,
    }
    return {"openapi": "3.0.2", "info": {"title": "Cog", "version": "0.1.0"}, "components": {"schemas": schemas}}


def _property(name: str, each: Input, position: int) -> dict[str, Any]:
    shown: dict[str, Any] = {"x-order": position}
    if each.default is not None:
        shown["default"] = each.default
    if each.enum:
        return {**shown, "allOf": [{"$ref": f"#/components/schemas/{name}"}]}
    if each.kind == "array":
        return {**shown, "type": "array", "title": name, "items": _ADDRESS}
    bounds = {"minimum": each.minimum, "maximum": each.maximum}
    kind = _ADDRESS if each.holds else {"type": each.kind}
    return {**shown, **kind, "title": name, **{key: at for key, at in bounds.items() if at is not None}}


_ADDRESS: Final[Mapping[str, str]] = {"type": "string", "format": "uri"}


def _output_schema(model: Model) -> dict[str, Any]:
    match model.output:
        case "list":
            return {"type": "array", "items": _ADDRESS}
        case "chunks":
            marks = {"x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"}
            return {"type": "array", "items": {"type": "string"}, **marks}
        case "object":
            return {"type": "object", "required": ["audio_out"], "properties": {"audio_out": _ADDRESS}}
        case "version":
            parts = {"version": {"type": "string"}, "weights": _ADDRESS}
            return {"type": "object", "required": list(parts), "properties": parts}
        case "single":
            return {"type": "string"} if model.modality == "text" else dict(_ADDRESS)
