"""ports.Provider around another ports.Provider, with a pace and circuit breakers in front of it.

Rules of this file:
1. Nothing sleeps here. A call that may not be made now is answered at once with a wait, and the message handler defers
   the message. For a create that answer is NotCreated, for every other call it is Unavailable.
2. Each part that can fail alone has its own circuit breaker: creates (a 402 concerns them alone), reads and cancels
   ("questions"), and each host of outputs (hosts.py). So paid pictures are fetched while the API is down.
3. A create that may not be sent takes a slot of the pace's virtual queue, whatever the reason. So after an outage the
   creates return at the rate at which they can be sent, and during it no faster.
4. A create that fails may leave its outcome unknown for minutes. So while the circuit of creates is open, the first
   probe is a read. A create follows only if the read was answered.
5. Only Replicate's own failures count. A token or an input that is not available says nothing about Replicate. A
   refusal is an answer, unless the account is refused (denials.py).
6. This state belongs to one process and one event loop. The account's limit is divided by the number of instances.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import BinaryIO, assert_never

from shared.adapters.replicate.creating import UNAUTHORIZED_S
from shared.adapters.replicate.denials import Denials
from shared.adapters.replicate.resilience.circuit import CircuitBreaker
from shared.adapters.replicate.resilience.hosts import Outputs
from shared.adapters.replicate.resilience.listing import Listing
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.breaker import BreakerRule, Circuit
from shared.core.provider.guarantees import Kind, PredictionRef
from shared.core.provider.pacing import pace_of
from shared.core.provider.prediction import (
    Created,
    CreateOutcome,
    CreateRefused,
    DeferReason,
    NotCreated,
    OutcomeUnknown,
    Prediction,
)
from shared.core.reasons import SENTENCES, Reason
from shared.ports import PaceNow, Provider, Unavailable

_log = logging.getLogger("darkroom.replicate")

#: Open after five consecutive failures. The first pause equals the wait after "unreachable" (5 s), the longest the wait
#: after a 402 (120 s): nobody mends an account faster. A probe counts as lost after 120 s, twice the bound of a call.
RULE = BreakerRule(failures=5, pause_s=5, longest_pause_s=120, probe_s=120)


def _is_trouble(why: DeferReason) -> bool:
    """Whether the reason is a failure of Replicate or of the account there, and so counts for the breaker."""
    match why:
        case DeferReason.NO_CREDIT | DeferReason.UNAUTHORIZED | DeferReason.FORBIDDEN | DeferReason.NOT_PERMITTED:
            return True
        case DeferReason.WEBHOOK_REFUSED | DeferReason.BLOCKED | DeferReason.MISROUTED | DeferReason.UNREACHABLE:
            return True
        case DeferReason.THROTTLED | DeferReason.CONNECTION_CLOSED | DeferReason.CIRCUIT_OPEN | DeferReason.PACED:
            return False
        case DeferReason.NOT_CONFIGURED | DeferReason.TABLES_UNAVAILABLE | DeferReason.BLOBS_UNAVAILABLE:
            return False
        case DeferReason.SERVICE_BUS_UNAVAILABLE | DeferReason.CONTENT_SAFETY_UNAVAILABLE:
            return False
        case DeferReason.KEY_VAULT_UNAVAILABLE | DeferReason.SECRETS_UNAVAILABLE | DeferReason.REPLICATE_UNAVAILABLE:
            return False
        case DeferReason.PROVIDER_UNAVAILABLE | DeferReason.IMAGES_UNAVAILABLE | DeferReason.INPUTS_UNAVAILABLE:
            return False
        case DeferReason.SWITCHES_UNAVAILABLE | DeferReason.PLANS_UNAVAILABLE:
            return False
        case _:
            assert_never(why)


class ResilientProvider:
    """ports.Provider. ``creates_per_minute`` are the account's, of which each of ``instances`` has its part.

    ``now`` is a clock in seconds that only goes forward, ``clock`` the one of the wall; ``chance`` is from 0 to 1.
    """

    def __init__(
        self,
        inner: Provider,
        creates_per_minute: float,
        instances: int = 1,
        *,
        now: Callable[[], float],
        chance: Callable[[], float],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rule: BreakerRule = RULE,
    ) -> None:
        self._inner = inner
        self._now = now
        self._clock = clock
        self._instances = instances
        self._pace = pace_of(creates_per_minute / instances, now())
        self._creates = CircuitBreaker("creates", rule, now, chance)
        self._questions = CircuitBreaker("questions", rule, now, chance)
        self._outputs = Outputs(rule, now, chance)
        self._denials = Denials(now)
        self._listing = Listing(inner, self._questions, now, chance, clock)

    # Creates.

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """POST the attempt's prediction once, or return NotCreated with the seconds to wait."""
        if (closed_s := self._creates.wait_s()) > 0:
            return NotCreated(DeferReason.CIRCUIT_OPEN, max(closed_s, self._queued_s()))
        asked_at, is_probe = self._now(), self._creates.state is not Circuit.CLOSED
        self._pace, wait_s = self._pace.asked(asked_at, waited=attempt.posts > 1 or attempt.number > 1)
        if wait_s > 0:
            return NotCreated(DeferReason.PACED, wait_s)
        self._creates.asked(asked_at)
        try:
            if is_probe and (silent_s := await self._silent_s()) > 0:
                self._creates.given_up(asked_at)
                return NotCreated(DeferReason.CIRCUIT_OPEN, max(silent_s, self._queued_s()))
            outcome = await self._inner.create(key, attempt)
        except BaseException:
            self._creates.given_up(asked_at)
            raise
        return self._learned(self._whose(outcome, attempt.target.partition(":")[0]), asked_at)

    def _whose(self, outcome: CreateOutcome, model: str) -> CreateOutcome:
        """The outcome, after deciding whether a refusal is about this model or about our account."""
        match outcome:
            case Created():
                self._denials.created(model)
            case CreateRefused(perhaps_ours=True) if self._denials.hits_several(model):
                _log.error("replicate refuses several models: is the account paid, and the token that of the account?")
                return NotCreated(DeferReason.NOT_PERMITTED, UNAUTHORIZED_S)
            case NotCreated(why) if why is DeferReason.FORBIDDEN and self._denials.others_run(model):
                _log.error("replicate forbids the model %s to this account, and no other: another one may do", model)
                return CreateRefused(Reason.UNKNOWN_MODEL, SENTENCES[Reason.UNKNOWN_MODEL])
        return outcome

    async def _silent_s(self) -> float:
        """Make a read that costs nothing. 0 if it was answered, else the seconds to wait."""
        try:
            async with self._questions.open():
                async for _ in self._inner.recent(self._clock()):
                    pass  # the list since this moment is next to empty; any answer will do
        except Unavailable as trouble:
            return trouble.retry_after_s or RULE.pause_s
        return 0.0

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Upload a file for a create. Unavailable, before a byte is sent, if that create would have to wait."""
        closed_s = self._creates.wait_s()
        if closed_s > 0 or self._pace.asked(self._now(), waited=True)[1] > 0:
            wait_s = max(closed_s, self._queued_s())
            raise Unavailable(Dependency.REPLICATE, DeferReason.CIRCUIT_OPEN if closed_s else DeferReason.PACED, wait_s)
        return await self._questions.call(lambda: self._inner.upload(name, file))

    def _learned(self, outcome: CreateOutcome, asked_at: float) -> CreateOutcome:
        match outcome:
            case OutcomeUnknown(why):
                self._creates.failed(asked_at, why)
            case NotCreated(why, wait_s, per_minute) if why is DeferReason.THROTTLED:
                self._answered(asked_at)
                part = per_minute / self._instances if per_minute else None
                self._pace = self._pace.throttled(asked_at, self._now(), wait_s, part)
                return NotCreated(why, max(wait_s, self._queued_s()), per_minute)
            case NotCreated(why, wait_s) if _is_trouble(why):
                self._creates.failed(asked_at, why)
                if (closed_s := self._creates.wait_s()) > 0:
                    return NotCreated(why, max(wait_s, closed_s, self._queued_s()))
            case NotCreated():
                self._creates.given_up(asked_at)
            case _:
                self._answered(asked_at)
        return outcome

    def _answered(self, asked_at: float) -> None:
        if self._creates.succeeded(asked_at):
            self._pace = self._pace.emptied(self._now())  # what was saved during the pause must not become a burst

    def _queued_s(self) -> float:
        self._pace, wait_s = self._pace.queued(self._now())
        return wait_s

    def pace_now(self) -> PaceNow:
        """The pace of all instances, as this one keeps its part of it, and its own spare tokens."""
        now, pace = self._now(), self._pace
        per_s = pace.per_s(now) * self._instances
        return PaceNow(per_s, -1.0 if pace.last_slot_at > now else pace.left(now) - pace.most(now) / 2)

    # Reads, cancels and outputs.

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """The prediction as it is now. Unavailable at once while the circuit is open."""
        return await self._questions.call(lambda: self._inner.get(ref))

    async def cancel(self, ref: PredictionRef) -> Prediction | None:
        """Cancel the prediction. Unavailable at once while the circuit is open."""
        return await self._questions.call(lambda: self._inner.cancel(ref))

    async def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """What was created after ``since``, newest first. Unavailable at once while the circuit is open."""
        for prediction in await self._listing.since(since, kind):
            yield prediction

    @asynccontextmanager
    async def fetch(self, uri: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream one output. Unavailable at once while the circuit of its host is open."""
        async with self._outputs.open(uri), self._inner.fetch(uri, most_bytes) as chunks:
            yield chunks

    def states(self) -> dict[str, Circuit]:
        """The state of each breaker. ``outputs`` is the worst of all hosts."""
        states = {breaker.what: breaker.state for breaker in (self._creates, self._questions)}
        return {**states, "outputs": self._outputs.state}
