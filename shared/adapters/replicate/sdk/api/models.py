"""Models: the public ones, and the account's own."""

from collections.abc import AsyncGenerator
from typing import Literal

from shared.adapters.replicate.sdk.api.naming import owner_and_name
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.types import FullPrediction, Model

SortBy = Literal["model_created_at", "latest_version_created_at"]
Direction = Literal["asc", "desc"]


class Models:
    """Operations on models. ``model`` is owner/name."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self, *, sort_by: SortBy = "latest_version_created_at", direction: Direction = "desc"
    ) -> AsyncGenerator[Model, None]:
        """All public models. There are many thousands: stop when you have found what you need."""
        params = {"sort_by": sort_by, "sort_direction": direction}
        return self._caller.pages(Model.read, "models.list", params=params)

    def search(self, query: str) -> AsyncGenerator[Model, None]:
        """Public models that fit a text."""
        content, headers = query.encode(), {"Content-Type": "text/plain"}
        return self._caller.pages(Model.read, "models.search", content=content, headers=headers)

    async def get(self, model: str) -> Model:
        """One model, with its latest version and that version's schema."""
        name = "models.get"
        return await self._caller.one(Model.read, name, *owner_and_name(name, model))

    async def create(self, model: str, *, hardware: str, private: bool = True, **about: str) -> Model:
        """Make an empty model as the destination of versions. An account has at most 1000.

        Args:
            model: owner/name; the owner is the token's account.
            hardware: the sku that it runs on, from ``hardware.list``.
            private: whether only the account sees it.
            about: description, github_url, paper_url, license_url, cover_image_url.
        """
        operation = "models.create"
        owner, name = owner_and_name(operation, model)
        visibility = "private" if private else "public"
        body = {"owner": owner, "name": name, "visibility": visibility, "hardware": hardware, **about}
        return await self._caller.one(Model.read, operation, json=body)

    async def update(self, model: str, **about: str) -> Model:
        """Change a model's description, readme, github_url, paper_url, weights_url or license_url."""
        name = "models.update"
        return await self._caller.one(Model.read, name, *owner_and_name(name, model), json=about)

    async def delete(self, model: str) -> None:
        """Delete a model. Replicate deletes only a private model without versions."""
        name = "models.delete"
        await self._caller.call(name, *owner_and_name(name, model))

    def examples(self, model: str) -> AsyncGenerator[FullPrediction, None]:
        """The predictions that a model's author chose to show."""
        name = "models.examples.list"
        return self._caller.pages(FullPrediction.read, name, *owner_and_name(name, model))

    async def readme(self, model: str) -> str:
        """A model's readme in Markdown. NotFoundError if it has none."""
        name = "models.readme.get"
        return (await self._caller.call(name, *owner_and_name(name, model))).text
