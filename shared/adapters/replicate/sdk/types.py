"""What Replicate's API answers, in types of our own: frozen, and read leniently.

Rules of this file:
1. ``read`` takes decoded JSON and returns None only where the thing cannot be told from others: without its name or id.
2. What is open at Replicate's side (inputs, outputs, metrics, metadata, schemas) stays as the JSON it is.
3. Times are aware UTC. An empty text or None says: not told.
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
    """Whose token it is. ``type`` is user or organization."""

    username: str
    type: str
    name: str
    github_url: str
    avatar_url: str

    @classmethod
    def read(cls, raw: object) -> "Account | None":
        """The account in a JSON object."""
        told = fields(raw)
        if not text(told.get("username")):
            return None
        return cls(**{name: text(told.get(name)) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Hardware:
    """A machine that a model or a deployment can run on."""

    sku: str
    name: str

    @classmethod
    def read(cls, raw: object) -> "Hardware | None":
        """The hardware in a JSON object."""
        told = fields(raw)
        return cls(text(told["sku"]), text(told.get("name"))) if text(told.get("sku")) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FullPrediction:
    """A prediction with all that Replicate tells; core's Prediction is what the corridor needs of it.

    ``output`` is as the model gave it: a text, a list, an object, or None. ``version`` is 64 hex digits; of an
    official model "hidden", of a deployment ``d-...``, ``dp-...``: it names nothing that could be asked for.
    ``stream_url`` is there if the model can stream.
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
    stream_url: str = field(repr=False)  # whoever has it can read the output

    @classmethod
    def read(cls, raw: object) -> "FullPrediction | None":
        """The prediction in a JSON object."""
        common, told = prediction_of(raw), fields(raw)
        if common is None:
            return None
        urls = fields(told.get("urls"))
        return cls(
            **_run(common, told),
            output=told.get("output"),
            deployment=text(told.get("deployment")),
            data_removed=common.data_removed,
            deadline=moment(told.get("deadline")),
            web_url=text(urls.get("web")),
            stream_url=text(urls.get("stream")),
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        """The output as a row of addresses or texts, whatever its shape."""
        return output_uris(self.output)

    @property
    def text(self) -> str:
        """The output of a language model: its pieces put together."""
        return text_of(*outputs_of(self.output))


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training. After a success ``trained_version`` is owner/name:version, and ``weights_url`` where they are."""

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
        common, told = prediction_of(raw), fields(raw)
        if common is None:
            return None
        output = fields(told.get("output"))
        return cls(
            **_run(common, told),
            trained_version=text(output.get("version")),
            weights_url=text(output.get("weights")),
        )


def _run(common: Prediction, told: Mapping[str, Any]) -> dict[str, Any]:
    """What predictions and trainings have in common."""
    return {
        "id": common.prediction_id,
        "status": common.status,
        "model": common.model,
        "version": text(told.get("version")),
        "input": fields(told.get("input")),
        "logs": text(told.get("logs")),
        "error": common.error,
        "metrics": common.metrics,
        "source": text(told.get("source")),
        "created_at": common.created_at,
        "started_at": moment(told.get("started_at")),
        "completed_at": common.completed_at,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a model. ``openapi_schema`` describes its inputs and output; empty where it is kept back."""

    id: str
    created_at: datetime | None
    cog_version: str
    openapi_schema: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, raw: object) -> "Version | None":
        """The version in a JSON object."""
        told = fields(raw)
        if not text(told.get("id")):
            return None
        return cls(
            id=text(told["id"]),
            created_at=moment(told.get("created_at")),
            cog_version=text(told.get("cog_version")),
            openapi_schema=fields(told.get("openapi_schema")),
        )

    @property
    def schemas(self) -> Mapping[str, Any]:
        """The named parts of the schema; the inputs are ``Input``, the output is ``Output``."""
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
        told = fields(raw)
        if not text(told.get("owner")) or not text(told.get("name")):
            return None
        texts = ("owner", "name", "visibility", "description", "url")
        links = ("github_url", "paper_url", "license_url", "cover_image_url")
        return cls(
            **{name: text(told.get(name)) for name in (*texts, *links)},
            is_official=told.get("is_official") is True,
            run_count=whole(told.get("run_count")),
            default_example=FullPrediction.read(told.get("default_example")),
            latest_version=Version.read(told.get("latest_version")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment and its current release; ``release`` counts them, each change makes the next."""

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
        told = fields(raw)
        if not text(told.get("owner")) or not text(told.get("name")):
            return None
        release = fields(told.get("current_release"))
        configuration = fields(release.get("configuration"))
        return cls(
            owner=text(told["owner"]),
            name=text(told["name"]),
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
        told = fields(raw)
        if not text(told.get("id")):
            return None
        return cls(
            id=text(told["id"]),
            name=text(told.get("name")),
            content_type=text(told.get("content_type")),
            size_bytes=whole(told.get("size")),
            sha256=text(fields(told.get("checksums")).get("sha256")),
            metadata=fields(told.get("metadata")),
            created_at=moment(told.get("created_at")),
            expires_at=moment(told.get("expires_at")),
            url=text(fields(told.get("urls")).get("get")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection of models. ``full_description`` and ``models`` are told of a single one only, not in lists."""

    slug: str
    name: str
    description: str
    full_description: str
    models: tuple[Model, ...]

    @classmethod
    def read(cls, raw: object) -> "Collection | None":
        """The collection in a JSON object."""
        told = fields(raw)
        if not text(told.get("slug")):
            return None
        return cls(
            slug=text(told["slug"]),
            name=text(told.get("name")),
            description=text(told.get("description")),
            full_description=text(told.get("full_description")),
            models=several(told.get("models"), Model.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model that a search found; ``score`` says how well it fits, where that is told."""

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
        told = fields(raw)
        return cls(text(told.get("name")), text(told["href"])) if text(told.get("href")) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found."""

    models: tuple[FoundModel, ...]
    collections: tuple[Collection, ...]
    pages: tuple[FoundPage, ...]

    @classmethod
    def read(cls, raw: object) -> "Found | None":
        """The findings in a JSON object."""
        told = fields(raw)
        if "models" not in told:
            return None
        return cls(
            models=several(told["models"], FoundModel.read),
            collections=several(told.get("collections"), Collection.read),
            pages=several(told.get("pages"), FoundPage.read),
        )
