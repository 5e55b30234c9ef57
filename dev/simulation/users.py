"""The users of the simulation: they are granted credits, send requests, and cancel some."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dev.fakes.accounts import daily
from dev.fakes.messenger import REQUESTS
from dev.simulation.approvers import APPROVER, ASKS, Start
from dev.simulation.clockwork import Clockwork
from dev.simulation.weather import Weather
from shared import worker
from shared.core.keys import Key
from shared.core.money.limits import Limit
from shared.core.money.settings import Settings
from shared.ports import Dependencies


@dataclass(frozen=True, slots=True)
class Users:
    """All users of one simulation. Each sends ``generations`` requests within ``acts_s`` seconds.

    ``start`` runs a handler in one of its processes. ``post`` puts a message with an id into a queue.
    """

    weather: Weather
    clock: Clockwork
    start: Start
    post: Callable[[str, dict[str, Any], str], None]
    count: int
    generations: int
    acts_s: float

    def begin(self) -> None:
        """Plan all that they will do."""
        for number in range(self.count):
            self._begin(f"user{number}")

    def _begin(self, user_id: str) -> None:
        """A user with too few credits for all requests, sometimes with a daily limit. More are granted later.

        A limit refuses what is beyond it, or asks for an approval.
        """
        weather = self.weather
        plan, limit = weather.one_of(("basic", "premium")), weather.one_of((None, None, daily(20), ASKS))
        self._grant(user_id, 0, weather.random.randint(10, 40), plan, limit)
        for number in (1, 2):
            amount = weather.random.randint(5, 30)
            self.clock.plan(weather.between(0, self.acts_s), lambda n=number, a=amount: self._grant(user_id, n, a))  # type: ignore[misc]  # the defaults bind the loop's values
        for number in range(self.generations):
            key = Key(user_id, f"g{number}")
            self.clock.plan(weather.between(1, self.acts_s), lambda k=key: self._ask(k))  # type: ignore[misc]  # as above

    def _grant(
        self, user_id: str, number: int, amount: int, plan: str | None = None, limit: Limit | None = None
    ) -> None:
        """Grant credits, and repeat the grant under the same id until it is confirmed."""
        again = self.weather.strikes("redelivered")

        def done(error: BaseException | None) -> None:
            if error is not None or again:
                self.clock.plan(30, lambda: self._grant(user_id, number, amount, plan, limit))

        async def grant(deps: Dependencies) -> None:
            await worker.grant(deps, user_id, amount, grant_id=f"grant-{number}")
            command = worker.Command(command_id=f"grant-{number}")
            if plan is not None:
                await worker.set_plan(deps, user_id, plan, command)
            if limit is not None:
                await worker.set_account(deps, user_id, Settings(approvers=(APPROVER,)), command)
                await worker.set_limit(deps, user_id, limit, command)

        self.start(f"grant {number} of {user_id}", grant, user_id, done)

    def _ask(self, key: Key) -> None:
        """Send a request. Some are sent twice, have a seed, are unsafe or malformed, or are canceled later."""
        weather = self.weather
        body: dict[str, Any] = {
            **key.in_message,
            "prompt": f"A lighthouse at night, {key}",
            "model": weather.one_of(("flux-schnell", "flux-schnell", "flux-dev", "flux-1.1-pro")),
        }
        draw = weather.random.random
        if body["model"] != "flux-1.1-pro":
            body["num_outputs"] = weather.random.randint(1, 3)
        if draw() < 0.3:
            body["seed"] = 7
        if draw() < 0.05:
            body["prompt"] = f"A gory lighthouse, {key}"
        if draw() < 0.03:
            body["prompt"] = 7
        for copy in range(2 if draw() < 0.1 else 1):
            self.post(REQUESTS, body, f"{key}:app:{copy}")
        if draw() < 0.12:
            cancel = {"type": "cancel", **key.in_message}
            self.clock.plan(weather.between(0, 60), lambda: self.post(REQUESTS, cancel, f"{key}:cancel"))
