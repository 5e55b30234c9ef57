"""Models: an account's own, each a name that gets versions.

Rule: if Replicate refuses to delete a model, its sentence says why. ``delete_model`` returns False only if there is no
such model.
"""

from shared.adapters.replicate.sdk.api.naming import owner_and_name
from shared.adapters.replicate.sdk.connector.results import ModelInfo, model_info
from shared.adapters.replicate.sdk.connector.session import Session
from shared.adapters.replicate.sdk.errors import NotFoundError, ReplicateError, ValidationError

#: Who may see a model.
VISIBILITIES = ("public", "private")

#: The machine of a new model: the cheapest with a GPU.
HARDWARE = "gpu-t4"

_DELETABLE = (
    "Replicate deletes only a private model without versions: delete each version first (delete_model_version). "
    "A public model is made private, or deleted, at replicate.com/{model}/settings."
)


class Models(Session):
    """The verbs on models. ``model_id`` is owner/name."""

    async def create_model(
        self,
        owner: str,
        name: str,
        visibility: str = "private",
        hardware: str = HARDWARE,
        description: str | None = None,
    ) -> str:
        """Make an empty model, the destination of versions; returns owner/name.

        Args:
            owner: the account that the token belongs to, or an organisation of its.
            name: the model's name.
            visibility: "private" or "public". A public model cannot be made private again by this API.
            hardware: the machine that it runs on, from ``list_resources``.
            description: what it is.

        Raises:
            ValidationError: Replicate takes no such model; ``fields`` says which argument is wrong.
        """
        api, operation = self.connected("create_model"), "models.create"
        if visibility not in VISIBILITIES:
            either = " or ".join(VISIBILITIES)
            raise ValidationError(operation, f"visibility must be {either}, not {visibility!r}", {"visibility": "enum"})
        about = {"description": description} if description else {}
        model_id = "/".join(owner_and_name(operation, f"{owner}/{name}"))
        await api.models.create(model_id, hardware=hardware, private=visibility == "private", **about)
        self._learned.hardware[model_id] = hardware
        return model_id

    async def get_model(self, model_id: str) -> ModelInfo:
        """A model: its name, owner, visibility, hardware, ...

        ``hardware`` is known of a model that this connector created: Replicate's API does not return it.

        Raises:
            NotFoundError: there is none, or it is private to another account.
        """
        model = await self.connected("get_model").models.get(model_id)
        return model_info(model, self._learned.hardware.get(model_id))

    async def delete_model(self, model_id: str) -> bool:
        """Delete a private model without versions. Returns whether it was there.

        Raises:
            ReplicateError: Replicate does not delete it. The text has its sentence, and what to do first.
        """
        api = self.connected("delete_model")
        try:
            await api.models.delete(model_id)
        except NotFoundError:
            return False
        except ReplicateError as refused:
            if refused.status not in (400, 403, 409, 422):
                raise
            advice = _DELETABLE.format(model=model_id)
            raise ReplicateError(
                "models.delete", refused.why, status=refused.status, ray=refused.ray, advice=advice
            ) from None
        self._learned.hardware.pop(model_id, None)
        self._learned.targets.pop(model_id, None)
        return True
