"""ports.Provider on Replicate's HTTP API (replicate.com/docs/reference/http).

Rules of this file:
1. ``create`` sends one POST, and after a 401 a second one (sdk/statuses.py, rule 5). Every longer wait is the message
   handler's: it defers the message.
2. calling.py repeats what may be repeated. Here its errors become Unavailable, and NotFoundError becomes None.
3. A mistake in our own configuration never leaves an unknown outcome. Whatever fails before the POST is NotCreated.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

from shared.adapters.replicate import creating, downloads
from shared.adapters.replicate.reading import fields, text
from shared.adapters.replicate.sdk import answers
from shared.adapters.replicate.sdk.calling import Caller, ray
from shared.adapters.replicate.sdk.errors import (
    NotFoundError,
    ReplicateError,
    TimedOutError,
    TransientError,
    ValidationError,
)
from shared.adapters.replicate.sdk.http import (
    REQUEST_ERRORS,
    Connections,
    Timeouts,
    closings_seen,
    describe,
    never_sent,
    never_written,
)
from shared.adapters.replicate.sdk.statuses import sent_with_fresh_token
from shared.adapters.replicate.sdk.token import ConfigurationError, SecretSource, checked
from shared.adapters.replicate.wire import prediction_of
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.guarantees import Kind, PredictionRef
from shared.core.provider.prediction import CreateOutcome, DeferReason, NotCreated, OutcomeUnknown, Prediction
from shared.core.provider.webhook import Callback, callback_url
from shared.core.reasons import Reason, Refusal
from shared.ports import OutputUnfit, Unavailable

if TYPE_CHECKING:
    from shared.adapters.replicate.sdk.api import ReplicateApi

_log = logging.getLogger("darkroom.replicate")


#: The resource of the API for each kind.
_RESOURCES = {Kind.PREDICTION: "predictions", Kind.TRAINING: "trainings"}

#: The sentence for a user whose file Replicate does not take.
_FILE_UNFIT = "The input file cannot be given to the model: it has more than 100 MiB, or a name that is too long."


class Replicate:
    """Implements ports.Provider. Opens no connection before its first use.

    Args:
        webhook_url: the base URL of the app's own webhook.
        token: the source of the API token.
        signing_secret: returns the key of the digest in the webhook's address.
        api_url: the base URL of the API.
        delivery_url: the host of outputs; an output at any other host but its subdomains is refused.
        connections: the most connections to the API, and as many to the outputs.
        timeouts: the bounds of each call.
        now: returns the current time, aware UTC.
    """

    def __init__(  # noqa: PLR0913  # each is a setting of its own
        self,
        *,
        webhook_url: str,
        token: SecretSource,
        signing_secret: Callable[[], Awaitable[str]],
        api_url: str = "https://api.replicate.com/v1",
        delivery_url: str = "https://replicate.delivery",
        connections: int = 100,
        timeouts: Timeouts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._delivery_url = delivery_url
        self._webhook_url = webhook_url
        self._token = token
        self._signing_secret = signing_secret
        self._timeouts = timeouts or Timeouts()
        self._now = now
        self._connections = Connections(api_url, connections)
        self._caller = Caller(api_url, token, self._connections, self._timeouts, now)

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """POST the attempt's prediction, once. Never raises Unavailable: the outcome says what is known."""
        callback = Callback(key, attempt.number)
        try:
            webhook = callback_url(self._webhook_url, callback, await self._signing_secret())
            token = checked(await self._token.value())
        except Unavailable as trouble:
            return _not_created(trouble)
        path, body = creating.path_and_body(attempt, webhook)
        headers = creating.headers(attempt)
        try:
            return await sent_with_fresh_token(
                lambda each: self._post(path, body, headers, each), _is_token_refused, token, self._fresh_token
            )
        except Unavailable as trouble:
            return _not_created(trouble)

    async def _fresh_token(self) -> str:
        return checked(await self._token.refresh())

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str], token: str) -> CreateOutcome:
        timeouts = self._timeouts
        headers = {**headers, "Authorization": f"Bearer {token}"}
        client, timeout = self._connections.creates(), timeouts.create()
        request = client.build_request("POST", path, json=body, headers=headers, timeout=timeout)
        await closings_seen()
        try:
            # The read time-out counts for each read. A server that sends byte by byte would outlast it.
            async with asyncio.timeout(timeouts.connect_s + timeouts.create_read_s):
                response = await client.send(request)
        except REQUEST_ERRORS as error:
            if never_written(error):
                return NotCreated(DeferReason.CONNECTION_CLOSED, creating.CLOSED_S)
            if never_sent(error):
                return NotCreated(DeferReason.UNREACHABLE, creating.UNREACHABLE_S)
            return OutcomeUnknown(describe(error))
        if not response.is_success:
            refused = ", ".join(answers.refused_fields(answers.decoded(response)))
            _log.warning("a create was answered %s (cf-ray %s) %s", response.status_code, ray(response) or "-", refused)
        return creating.outcome_of(response, self._now())

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """The prediction or training as it is now. None if Replicate does not know it."""
        return await self._read_prediction(f"{_RESOURCES[ref.kind]}.get", ref.prediction_id)

    async def cancel(self, ref: PredictionRef) -> Prediction | None:
        """Cancel it if it still runs. None if Replicate does not know it."""
        return await self._read_prediction(f"{_RESOURCES[ref.kind]}.cancel", ref.prediction_id)

    async def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """The account's predictions created after ``since``, newest first. Pages are fetched as they are needed."""
        # The list of trainings has no filter by time; it is short.
        params = (
            {} if kind is Kind.TRAINING else {"created_after": since.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        )
        try:
            async with aclosing(self._caller.pages(prediction_of, f"{_RESOURCES[kind]}.list", params=params)) as listed:
                async for prediction in listed:
                    if prediction.created_at is not None and prediction.created_at < since:
                        return
                    yield prediction
        except ReplicateError as trouble:
            raise _unavailable(trouble) from None

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Upload a file, which Replicate keeps for a day; return the address that an input may name."""
        try:
            stored = await self.api.files.create(file, filename=name)
        except ValidationError:
            raise OutputUnfit(Refusal(Reason.INPUT_INVALID, _FILE_UNFIT)) from None
        except ReplicateError as trouble:
            raise _unavailable(trouble) from None
        if not stored.url:
            raise Unavailable(Dependency.REPLICATE, "its answer about a file could not be read")
        return stored.url

    def fetch(self, uri: str, most_bytes: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream one output of at most ``most_bytes``; see downloads.py."""
        client = self._connections.files()
        return downloads.fetch(client, self._delivery_url, uri, most_bytes, self._timeouts)

    @cached_property
    def api(self) -> "ReplicateApi":
        """The whole of Replicate's API, over the same connections."""
        from shared.adapters.replicate.sdk.api import ReplicateApi  # noqa: PLC0415  # no part of a cold start

        return ReplicateApi(self._caller)

    async def account(self) -> dict[str, str]:
        """The account of the token: ``username`` and ``type``. The health check of a token."""
        account = await self._read("account.get")
        return {"username": text(account.get("username")), "type": text(account.get("type"))}

    async def signing_secret(self) -> str:
        """The account's webhook signing secret, ``whsec_...``."""
        key = text((await self._read("webhooks.default.secret.get")).get("key"))
        if not key:
            raise Unavailable(Dependency.REPLICATE, "its answer about the signing secret could not be read")
        return key

    async def close(self) -> None:
        """Close the connections. The next use opens new ones."""
        await self._connections.close()

    async def _read(self, operation: str) -> Mapping[str, Any]:
        try:
            return await self._caller.one(lambda raw: fields(raw) or None, operation)
        except ReplicateError as trouble:
            raise _unavailable(trouble) from None

    async def _read_prediction(self, operation: str, prediction_id: str) -> Prediction | None:
        try:
            return await self._caller.one(prediction_of, operation, prediction_id)
        except NotFoundError:
            return None
        except ReplicateError as trouble:
            raise _unavailable(trouble) from None


def _unavailable(trouble: ReplicateError) -> Unavailable:
    """An error of calling.py as the port's exception."""
    if isinstance(trouble.__cause__, Unavailable):  # the token was not available
        return trouble.__cause__
    passing = isinstance(trouble, (TransientError, TimedOutError))
    if trouble.retry_after_s is None and not passing:
        _log.error("%s", trouble)
        return Unavailable(Dependency.REPLICATE, trouble.why, creating.UNAUTHORIZED_S)
    return Unavailable(Dependency.REPLICATE, trouble.why, trouble.retry_after_s)


def _is_token_refused(outcome: CreateOutcome) -> bool:
    return isinstance(outcome, NotCreated) and outcome.why is DeferReason.UNAUTHORIZED


def _not_created(trouble: Unavailable) -> NotCreated:
    """The outcome if a secret of ours was not available: no POST was sent."""
    _log.error("a create was deferred: %s", trouble)
    configured = not isinstance(trouble, ConfigurationError)
    why = DeferReason.unavailable(trouble.dependency) if configured else DeferReason.NOT_CONFIGURED
    return NotCreated(why, trouble.retry_after_s or creating.UNREACHABLE_S)
