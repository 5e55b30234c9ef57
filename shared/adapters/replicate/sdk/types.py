"""The types of what Replicate's API answers: frozen, and read leniently.

Rules of this file:
1. ``read`` takes decoded JSON. It returns None only if the name or the id is missing.
2. What Replicate leaves open (inputs, outputs, metrics, metadata, schemas) stays decoded JSON.
3. Times are aware UTC. An empty text or None means that Replicate did not give the value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.adapters.replicate.reading import fields, moment, several, text, whole
from shared.adapters.replicate.wire import prediction_of
from shared.core.provider.outputs import output_uris, outputs_of, text_of
from shared.core.provider.prediction import Prediction, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that the token belongs to. ``type`` is user or organization."""

    username: str
    type: str
    name: str
    github_url: str
    avatar_url: str

    @classmethod
    def read(cls, raw: object) -> "Account | None":
        """The account in a JSON object."""
        data = fields(raw)
        if not text(data.get("username")):
            return None
        return cls(**{name: text(data.get(name)) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Hardware:
    """A machine that a model or a deployment can run on."""

    sku: str
    name: str

    @classmethod
    def read(cls, raw: object) -> "Hardware | None":
        """The hardware in a JSON object."""
        data = fields(raw)
        return cls(text(data["sku"]), text(data.get("name"))) if text(data.get("sku")) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FullPrediction:
    """A prediction with every field of Replicate's. core's Prediction is the part that the message handler needs.

    ``output`` is as the model gave it: a text, a list, an object, or None. ``version`` is 64 hex digits. It is "hidden"
    for an official model and ``d-...`` or ``dp-...`` for a deployment: no version can be read by these.
    ``stream_url`` is empty if the model cannot stream.
    """

    id: str
    status: Status
    model: str
    version: str
    deployment: str
    input: Mapping[str, Any] = field(repr=False)
    output: Any = field(repr=False)
    logs: str = field(repr=False)
    error: str = field(repr=False)
    metrics: Mapping[str, float | str | bool]
    source: str
    data_removed: bool
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    deadline: datetime | None
    web_url: str
    stream_url: str = field(repr=False)  # it gives access to the output

    @classmethod
    def read(cls, raw: object) -> "FullPrediction | None":
        """The prediction in a JSON object."""
        common, data = prediction_of(raw), fields(raw)
        if common is None:
            return None
        urls = fields(data.get("urls"))
        return cls(
            **_run(common, data),
            output=data.get("output"),
            deployment=text(data.get("deployment")),
            data_removed=common.data_removed,
            deadline=moment(data.get("deadline")),
            web_url=text(urls.get("web")),
            stream_url=text(urls.get("stream")),
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """The output as a tuple of addresses or texts, whatever its shape."""
        return output_uris(self.output)

    @property
    def text(self) -> str:
        """The output of a language model: its chunks joined."""
        return text_of(*outputs_of(self.output))


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training. After a success ``trained_version`` is owner/name:version; ``weights_url`` leads to the weights."""

    id: str
    status: Status
    model: str
    version: str
    input: Mapping[str, Any] = field(repr=False)
    logs: str = field(repr=False)
    error: str = field(repr=False)
    metrics: Mapping[str, float | str | bool]
    source: str
    created_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    trained_version: str
    weights_url: str = field(repr=False)

    @classmethod
    def read(cls, raw: object) -> "Training | None":
        """The training in a JSON object."""
        common, data = prediction_of(raw), fields(raw)
        if common is None:
            return None
        output = fields(data.get("output"))
        return cls(
            **_run(common, data),
            trained_version=text(output.get("version")),
            weights_url=text(output.get("weights")),
        )


def _run(common: Prediction, data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that predictions and trainings have in common."""
    return {
        "id": common.prediction_id,
        "status": common.status,
        "model": common.model,
        "version": text(data.get("version")),
        "input": fields(data.get("input")),
        "logs": text(data.get("logs")),
        "error": common.error,
        "metrics": common.metrics,
        "source": text(data.get("source")),
        "created_at": common.created_at,
        "started_at": moment(data.get("started_at")),
        "completed_at": common.completed_at,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a model. ``openapi_schema`` describes its inputs and output. It is empty if Replicate hides it."""

    id: str
    created_at: datetime | None
    cog_version: str
    openapi_schema: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, raw: object) -> "Version | None":
        """The version in a JSON object."""
        data = fields(raw)
        if not text(data.get("id")):
            return None
        return cls(
            id=text(data["id"]),
            created_at=moment(data.get("created_at")),
            cog_version=text(data.get("cog_version")),
            openapi_schema=fields(data.get("openapi_schema")),
        )

    @property
    def schemas(self) -> Mapping[str, Any]:
        """The named parts of the schema. ``Input`` describes the inputs, ``Output`` the output."""
        return fields(fields(self.openapi_schema.get("components")).get("schemas"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model. ``visibility`` is public or private."""

    owner: str
    name: str
    visibility: str
    is_official: bool
    description: str
    run_count: int
    url: str
    github_url: str
    paper_url: str
    license_url: str
    cover_image_url: str
    default_example: FullPrediction | None
    latest_version: Version | None

    @classmethod
    def read(cls, raw: object) -> "Model | None":
        """The model in a JSON object."""
        data = fields(raw)
        if not text(data.get("owner")) or not text(data.get("name")):
            return None
        texts = ("owner", "name", "visibility", "description", "url")
        links = ("github_url", "paper_url", "license_url", "cover_image_url")
        return cls(
            **{name: text(data.get(name)) for name in (*texts, *links)},
            is_official=data.get("is_official") is True,
            run_count=whole(data.get("run_count")),
            default_example=FullPrediction.read(data.get("default_example")),
            latest_version=Version.read(data.get("latest_version")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment and its current release. ``release`` is its number; each change makes the next one."""

    owner: str
    name: str
    release: int
    model: str
    version: str
    hardware: str
    min_instances: int
    max_instances: int
    created_at: datetime | None
    created_by: Account | None

    @classmethod
    def read(cls, raw: object) -> "Deployment | None":
        """The deployment in a JSON object."""
        data = fields(raw)
        if not text(data.get("owner")) or not text(data.get("name")):
            return None
        release = fields(data.get("current_release"))
        configuration = fields(release.get("configuration"))
        return cls(
            owner=text(data["owner"]),
            name=text(data["name"]),
            release=whole(release.get("number")),
            model=text(release.get("model")),
            version=text(release.get("version")),
            hardware=text(configuration.get("hardware")),
            min_instances=whole(configuration.get("min_instances")),
            max_instances=whole(configuration.get("max_instances")),
            created_at=moment(release.get("created_at")),
            created_by=Account.read(release.get("created_by")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An uploaded file. ``url`` is an input for predictions of the same account until ``expires_at``."""

    id: str
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    metadata: Mapping[str, Any]
    created_at: datetime | None
    expires_at: datetime | None
    url: str

    @classmethod
    def read(cls, raw: object) -> "File | None":
        """The file in a JSON object."""
        data = fields(raw)
        if not text(data.get("id")):
            return None
        return cls(
            id=text(data["id"]),
            name=text(data.get("name")),
            content_type=text(data.get("content_type")),
            size_bytes=whole(data.get("size")),
            sha256=text(fields(data.get("checksums")).get("sha256")),
            metadata=fields(data.get("metadata")),
            created_at=moment(data.get("created_at")),
            expires_at=moment(data.get("expires_at")),
            url=text(fields(data.get("urls")).get("get")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection of models. A list of collections leaves ``full_description`` and ``models`` empty."""

    slug: str
    name: str
    description: str
    full_description: str
    models: tuple[Model, ...]

    @classmethod
    def read(cls, raw: object) -> "Collection | None":
        """The collection in a JSON object."""
        data = fields(raw)
        if not text(data.get("slug")):
            return None
        return cls(
            slug=text(data["slug"]),
            name=text(data.get("name")),
            description=text(data.get("description")),
            full_description=text(data.get("full_description")),
            models=several(data.get("models"), Model.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model that a search found. ``score`` says how well it fits; None if Replicate does not say."""

    model: Model
    score: float | None
    tags: tuple[str, ...]
    generated_description: str

    @classmethod
    def read(cls, raw: object) -> "FoundModel | None":
        """The model in a JSON object of a search."""
        model, metadata = Model.read(fields(raw).get("model")), fields(fields(raw).get("metadata"))
        if model is None:
            return None
        score = metadata.get("score")
        return cls(
            model=model,
            score=score if isinstance(score, (int, float)) else None,
            tags=several(metadata.get("tags"), lambda tag: text(tag) or None),
            generated_description=text(metadata.get("generated_description")),
        )


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of Replicate's documentation that a search found."""

    name: str
    href: str

    @classmethod
    def read(cls, raw: object) -> "FoundPage | None":
        """The page in a JSON object of a search."""
        data = fields(raw)
        return cls(text(data.get("name")), text(data["href"])) if text(data.get("href")) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found."""

    models: tuple[FoundModel, ...]
    collections: tuple[Collection, ...]
    pages: tuple[FoundPage, ...]

    @classmethod
    def read(cls, raw: object) -> "Found | None":
        """The findings in a JSON object."""
        data = fields(raw)
        if "models" not in data:
            return None
        return cls(
            models=several(data["models"], FoundModel.read),
            collections=several(data.get("collections"), Collection.read),
            pages=several(data.get("pages"), FoundPage.read),
        )
