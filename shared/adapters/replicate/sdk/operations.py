"""Every operation of Replicate's HTTP API, and what sending it twice would do.

Ids, methods and paths are those of the OpenAPI document (https://api.replicate.com/openapi.json, October 2026).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from shared.adapters.replicate.sdk.errors import ValidationError
from shared.adapters.replicate.sdk.retrying import Kind


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``path`` has the document's placeholders."""

    id: str
    method: str
    path: str
    kind: Kind

    def address(self, *places: str) -> str:
        """The path with its placeholders filled in order, relative to the API's base URL.

        Raises:
            ValidationError: a value is empty, "." or "..".
        """
        given = iter(places)
        parts = self.path.strip("/").split("/")
        return "/".join(self._filled(part.strip("{}"), next(given)) if part[0] == "{" else part for part in parts)

    def _filled(self, name: str, place: str) -> str:
        if place in {"", ".", ".."}:  # these would make it the path of another operation
            raise ValidationError(self.id, f"{name} must not be empty or dots", {name: "required"})
        return quote(place, safe="")


_MODEL = "/models/{model_owner}/{model_name}"
_VERSION = f"{_MODEL}/versions/{{version_id}}"
_DEPLOYMENT = "/deployments/{deployment_owner}/{deployment_name}"

OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        operation.id: operation
        for operation in (
            Operation("account.get", "GET", "/account", Kind.READ),
            Operation("collections.list", "GET", "/collections", Kind.READ),
            Operation("collections.get", "GET", "/collections/{collection_slug}", Kind.READ),
            Operation("deployments.list", "GET", "/deployments", Kind.READ),
            Operation("deployments.create", "POST", "/deployments", Kind.WRITE),
            Operation("deployments.get", "GET", _DEPLOYMENT, Kind.READ),
            Operation("deployments.update", "PATCH", _DEPLOYMENT, Kind.WRITE),
            Operation("deployments.delete", "DELETE", _DEPLOYMENT, Kind.WRITE),
            Operation("deployments.predictions.create", "POST", f"{_DEPLOYMENT}/predictions", Kind.WRITE),
            Operation("files.list", "GET", "/files", Kind.READ),
            Operation("files.create", "POST", "/files", Kind.WRITE),
            Operation("files.get", "GET", "/files/{file_id}", Kind.READ),
            Operation("files.delete", "DELETE", "/files/{file_id}", Kind.WRITE),
            Operation("files.download", "GET", "/files/{file_id}/download", Kind.READ),
            Operation("hardware.list", "GET", "/hardware", Kind.READ),
            Operation("models.list", "GET", "/models", Kind.READ),
            Operation("models.create", "POST", "/models", Kind.WRITE),
            Operation("models.search", "QUERY", "/models", Kind.READ),
            Operation("models.get", "GET", _MODEL, Kind.READ),
            Operation("models.update", "PATCH", _MODEL, Kind.WRITE),
            Operation("models.delete", "DELETE", _MODEL, Kind.WRITE),
            Operation("models.examples.list", "GET", f"{_MODEL}/examples", Kind.READ),
            Operation("models.readme.get", "GET", f"{_MODEL}/readme", Kind.READ),
            Operation("models.predictions.create", "POST", f"{_MODEL}/predictions", Kind.WRITE),
            Operation("models.versions.list", "GET", f"{_MODEL}/versions", Kind.READ),
            Operation("models.versions.get", "GET", _VERSION, Kind.READ),
            Operation("models.versions.delete", "DELETE", _VERSION, Kind.WRITE),
            Operation("trainings.create", "POST", f"{_VERSION}/trainings", Kind.WRITE),
            Operation("trainings.list", "GET", "/trainings", Kind.READ),
            Operation("trainings.get", "GET", "/trainings/{training_id}", Kind.READ),
            Operation("trainings.cancel", "POST", "/trainings/{training_id}/cancel", Kind.CANCEL),
            Operation("predictions.list", "GET", "/predictions", Kind.READ),
            Operation("predictions.create", "POST", "/predictions", Kind.WRITE),
            Operation("predictions.get", "GET", "/predictions/{prediction_id}", Kind.READ),
            Operation("predictions.cancel", "POST", "/predictions/{prediction_id}/cancel", Kind.CANCEL),
            Operation("search", "GET", "/search", Kind.READ),
            Operation("webhooks.default.secret.get", "GET", "/webhooks/default/secret", Kind.READ),
        )
    }
)
