"""All of Replicate's HTTP API, as methods: ``api.models.get("owner/name")``. docs/replicate.md lists them.

There is one small module per resource. calling.py handles token, repeats, errors and pages; types.py has the answers.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from shared.adapters.replicate.sdk.api.collections import Collections
from shared.adapters.replicate.sdk.api.deployments import Deployments
from shared.adapters.replicate.sdk.api.files import Files
from shared.adapters.replicate.sdk.api.hardware import Machines
from shared.adapters.replicate.sdk.api.models import Models
from shared.adapters.replicate.sdk.api.owner import Owner
from shared.adapters.replicate.sdk.api.predictions import NewPrediction, Predictions
from shared.adapters.replicate.sdk.api.search import Searching
from shared.adapters.replicate.sdk.api.trainings import Trainings
from shared.adapters.replicate.sdk.api.versions import Versions
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.http import Connections, Timeouts
from shared.adapters.replicate.sdk.token import SecretSource

#: Where Replicate's outputs are.
DELIVERY_URL = "https://replicate.delivery"

__all__ = ["NewPrediction", "ReplicateApi"]


class ReplicateApi:
    """The resources. All use one caller, and so the same connections."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.owner = Owner(caller)
        self.collections = Collections(caller)
        self.deployments = Deployments(caller)
        self.files = Files(caller)
        self.hardware = Machines(caller)
        self.models = Models(caller)
        self.predictions = Predictions(caller)
        self.search = Searching(caller)
        self.trainings = Trainings(caller)
        self.versions = Versions(caller)

    @classmethod
    def at(
        cls,
        token: SecretSource,
        *,
        api_url: str = "https://api.replicate.com/v1",
        connections: int = 100,
        timeouts: Timeouts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> "ReplicateApi":
        """The API with connections of its own. The app uses ``Replicate.api``, which shares those of the port."""
        return cls(Caller(api_url, token, Connections(api_url, connections), timeouts or Timeouts(), now))

    def connections(self) -> Connections:
        """The connections, for what is no operation: an output's file."""
        return self._caller.connections

    def delivery_url(self) -> str:
        """Where outputs are: at Replicate's delivery host, or beside an API that is not Replicate's own."""
        api = self._caller.api_url
        return DELIVERY_URL if api.host == "api.replicate.com" else f"{api.scheme}://{api.netloc.decode()}"

    async def close(self) -> None:
        """Close the connections. The next use opens new ones."""
        await self._caller.connections.close()
