"""Replicate: the port, on its HTTP API (replicate.com/docs/reference/http).

Rules of this file:
1. ``create`` is POSTed once. A 401 alone is followed by a second POST, with a fresh token: it has surely created
   nothing. Everything else may be asked again, and is, a little; for longer waits the corridor puts off.
2. The token goes to the API's own origin only, also when a page names the next one.
3. A mistake in our own configuration never leaves an unknown outcome: what comes before the POST is "not created".
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from shared.adapters.replicate import creating, downloads
from shared.adapters.replicate.http import REQUEST_ERRORS, Connections, Timeouts, describe, never_sent
from shared.adapters.replicate.token import ConfigurationError, SecretSource, checked
from shared.core.attempt import Attempt
from shared.core.messages import Key
from shared.core.prediction import CreateOutcome, NotCreated, OutcomeUnknown, Prediction
from shared.core.webhook import Callback, callback_url
from shared.ports import Unavailable

_log = logging.getLogger("darkroom.replicate")

#: Pauses before the second and the third try, in seconds, each times a random 0.5 to 1; no try begins after 5 s.
_PAUSES_S = (0.4, 1.2)
_TRYING_S = 5.0


class Replicate:
    """ports.Provider. ``api_url`` and ``webhook_url`` are base URLs; ``delivery_url`` is where outputs may be.

    ``signing_secret`` keys the digest in the webhook address. Nothing is connected before the first use.
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
        self._api_url = httpx.URL(api_url)
        self._delivery_url = delivery_url
        self._webhook_url = webhook_url
        self._token = token
        self._signing_secret = signing_secret
        self._timeouts = timeouts or Timeouts()
        self._now = now
        self._connections = Connections(api_url, connections)

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """POST the attempt's prediction, once."""
        callback = Callback(key.user_id, key.generation_id, attempt.number)
        try:
            webhook = callback_url(self._webhook_url, callback, await self._signing_secret())
            token = checked(await self._token.value())
        except Unavailable as trouble:
            return _not_ready(trouble)
        path, body = creating.path_and_body(attempt, webhook)
        outcome = await self._post(path, body, creating.headers(attempt), token)
        if isinstance(outcome, NotCreated) and outcome.why == "unauthorized":
            try:
                fresh = checked(await self._token.refresh())
            except Unavailable as trouble:
                return _not_ready(trouble)
            outcome = await self._post(path, body, creating.headers(attempt), fresh)
        return outcome

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str], token: str) -> CreateOutcome:
        timeouts = self._timeouts
        request = self._request("POST", path, token, json=body, headers=headers, timeout=timeouts.create())
        try:
            # The read time-out is for each read: an answer that drips in would outlast it.
            async with asyncio.timeout(timeouts.connect_s + timeouts.create_read_s):
                response = await self._connections.api().send(request)
        except REQUEST_ERRORS as error:
            if never_sent(error):
                return NotCreated("unreachable", creating.UNREACHABLE_S)
            return OutcomeUnknown(describe(error))
        if not response.is_success:
            fields = ", ".join(creating.refused_fields(creating.decoded(response)))
            _log.warning("a create was answered %s (cf-ray %s) %s", response.status_code, _ray(response), fields)
        return creating.outcome_of(response, self._now())

    async def get(self, prediction_id: str) -> Prediction | None:
        """The prediction as it is now; None if Replicate does not know it."""
        return self._read(await self._ask("GET", f"predictions/{quote(prediction_id, safe='')}"))

    async def cancel(self, prediction_id: str) -> Prediction | None:
        """Cancel it, if it still runs; None if Replicate does not know it."""
        return self._read(await self._ask("POST", f"predictions/{quote(prediction_id, safe='')}/cancel"))

    async def recent(self, since: datetime) -> AsyncIterator[Prediction]:
        """The account's predictions created after ``since``, newest first, page by page as they are wanted."""
        params = {"created_after": since.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        first = self._api_url.copy_with(path=f"{self._api_url.path.rstrip('/')}/predictions")
        following: httpx.URL | None = first.copy_merge_params(params)
        seen: set[httpx.URL] = set()
        while following is not None and following not in seen:
            seen.add(following)
            page = _object(await self._ask("GET", str(following)))
            results = page.get("results")
            for raw in results if isinstance(results, list) else []:
                prediction = Prediction.read(raw)
                if prediction is None:
                    continue
                if prediction.created_at is not None and prediction.created_at < since:
                    return
                yield prediction
            following = self._next(page.get("next"))

    def fetch(self, uri: str, most_bytes: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream one output."""
        client = self._connections.outputs()
        return downloads.fetch(client, self._delivery_url, uri, most_bytes, self._timeouts)

    async def account(self) -> dict[str, str]:
        """Whose token it is: ``username`` and ``type``. The health check of a token."""
        body = _object(await self._ask("GET", "account"))
        return {"username": str(body.get("username", "")), "type": str(body.get("type", ""))}

    async def signing_secret(self) -> str:
        """The account's webhook signing secret, ``whsec_...``."""
        key = _object(await self._ask("GET", "webhooks/default/secret")).get("key")
        if not isinstance(key, str) or not key:
            raise Unavailable("replicate", "its answer about the signing secret could not be read")
        return key

    async def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        await self._connections.close()

    # Asking, with a few tries.

    async def _ask(self, method: str, url: str) -> httpx.Response | None:
        """The successful answer to what may be asked again; None for a 404. Unavailable when the tries are over."""
        began = time.monotonic()
        for pause_s in (*_PAUSES_S, None):
            trouble = await self._asked(method, url)
            if not isinstance(trouble, Unavailable):
                return trouble
            passing = trouble.retry_after_s is None or trouble.retry_after_s <= _PAUSES_S[-1]
            if pause_s is None or not passing or time.monotonic() - began + pause_s > _TRYING_S:
                raise trouble
            await asyncio.sleep(max(pause_s * random.uniform(0.5, 1), trouble.retry_after_s or 0))
        raise AssertionError("the last pause is None")

    async def _asked(self, method: str, url: str) -> httpx.Response | Unavailable | None:
        """One try: the answer, None for a 404, or the trouble as a value."""
        try:
            async with asyncio.timeout(self._timeouts.total_s):
                response = await self._authorized(method, url)
        except REQUEST_ERRORS as error:
            return Unavailable("replicate", describe(error))
        status = response.status_code
        if response.is_success:
            return response
        if status == 404:
            return None
        if status == 429:
            return Unavailable("replicate", "throttled", creating.throttle_s(response, self._now()))
        if status >= 500:
            return Unavailable("replicate", f"answered {status}", creating.retry_after_s(response, self._now()))
        _log.error("replicate answered %s (cf-ray %s)", status, _ray(response))
        why = "unauthorized: is the API token the current one?" if status == 401 else f"answered {status}"
        return Unavailable("replicate", why, creating.UNAUTHORIZED_S)

    async def _authorized(self, method: str, url: str) -> httpx.Response:
        """Send with the token; after a 401 once more with a fresh one."""
        client, timeout = self._connections.api(), self._timeouts.ask()
        response = await client.send(self._request(method, url, checked(await self._token.value()), timeout=timeout))
        if response.status_code != 401:
            return response
        return await client.send(self._request(method, url, checked(await self._token.refresh()), timeout=timeout))

    def _request(self, method: str, url: str, token: str, **more: Any) -> httpx.Request:
        headers = {**more.pop("headers", {}), "Authorization": f"Bearer {token}"}
        return self._connections.api().build_request(method, url, headers=headers, **more)

    @staticmethod
    def _read(response: httpx.Response | None) -> Prediction | None:
        if response is None:
            return None
        prediction = Prediction.read(creating.decoded(response))
        if prediction is None:
            raise Unavailable("replicate", "its answer could not be read")
        return prediction

    def _next(self, raw: object) -> httpx.URL | None:
        """The next page, if there is one; it must be at the API's own origin, for it is asked with the token."""
        if raw is None:
            return None
        try:
            url = httpx.URL(raw) if isinstance(raw, str) else None
        except httpx.InvalidURL:
            url = None
        if url is None or _origin(url) != _origin(self._api_url) or url.userinfo:
            raise Unavailable("replicate", "the next page of its list is not at its own origin")
        return url


def _object(response: httpx.Response | None) -> dict[str, Any]:
    body = creating.decoded(response) if response is not None else None
    if not isinstance(body, dict):
        raise Unavailable("replicate", "its answer could not be read")
    return body


def _not_ready(trouble: Unavailable) -> NotCreated:
    """Something of ours was not to be had before the POST: it was surely not made."""
    _log.error("a create was put off: %s", trouble)
    why = "not configured" if isinstance(trouble, ConfigurationError) else f"{trouble.neighbour} unavailable"
    return NotCreated(why, trouble.retry_after_s or creating.UNREACHABLE_S)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _ray(response: httpx.Response) -> str:
    """Cloudflare's id of a request, which Replicate's support asks for; bounded, for it is a stranger's text."""
    return str(response.headers.get("cf-ray", "-"))[:40]
