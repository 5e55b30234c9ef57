"""A second provider, with an idempotency key and without a list: what Replicate has not, and what it has."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime

from dev.fakes.provider import FakeReplicate
from dev.fakes.world import World
from shared.core.catalog.catalog import Catalog
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.guarantees import Guarantees, Kind, ProviderName
from shared.core.provider.prediction import Prediction

SECOND = ProviderName("second")

PROMISES: Mapping[Kind, Guarantees] = {
    Kind.PREDICTION: Guarantees(cancel_after=True, idempotent=True),
    Kind.TRAINING: Guarantees(idempotent=True),
}


class SecondProvider(FakeReplicate):
    """ports.Provider in memory: the same attempt again is the same prediction, and there is no list to look into."""

    def __init__(self, world: World) -> None:
        super().__init__(world.now)
        self._by_key: dict[tuple[Key, int], str] = {}

    def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """Never to be called: its attempts say that there is none."""
        raise AssertionError("this provider has no list")

    def _make(self, key: Key, attempt: Attempt) -> Prediction:
        known = self._by_key.get((key, attempt.number))
        if known is not None:
            return self.predictions[known]
        made = super()._make(key, attempt)
        self._by_key[key, attempt.number] = made.prediction_id
        return made


def with_second(catalog: Catalog) -> Catalog:
    """The catalogue with every model at the second provider."""
    models = {name: replace(model, provider=SECOND) for name, model in catalog.models.items()}
    return replace(catalog, models=models, providers={SECOND: PROMISES})


def on_second(world: World) -> World:
    """The same world, in which nobody but the second provider runs models."""
    world.replicate = SecondProvider(world)
    world.deps = replace(world.deps, providers={SECOND: world.replicate}, catalog=with_second(world.deps.catalog))
    world.of_catalog = with_second
    return world
