"""Sends every operation, and turns its answer into a value or an exception.

Rules of this file:
1. The table in statuses.py decides what an answer means, the one in retrying.py what is repeated. This file makes an
   exception of each meaning.
2. The token goes to the API's own origin only, even if a page of a list names a next page elsewhere.
3. An answer that cannot be read raises an exception. It never counts as an empty answer.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from shared.adapters.replicate.reading import entry, fields, text
from shared.adapters.replicate.sdk import answers
from shared.adapters.replicate.sdk.errors import (
    AuthenticationError,
    CreditError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitError,
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
    timed_out,
)
from shared.adapters.replicate.sdk.operations import OPERATIONS, Operation
from shared.adapters.replicate.sdk.retrying import Kind, pause_s
from shared.adapters.replicate.sdk.statuses import Meaning, is_token_refused, meaning_of, sent_with_fresh_token
from shared.adapters.replicate.sdk.token import ConfigurationError, SecretSource, checked
from shared.core.provider.redaction import MARK, redacted
from shared.core.requests.lenient_json import fields_of
from shared.ports import Unavailable

T = TypeVar("T")

_OTHER = "answered {status} by something that is not Replicate"
_COPY = "Nothing was sent: copy it again from replicate.com/account/api-tokens, whole and alone."
_UNREACHED = (
    "Nothing was sent: check network, proxy and firewall, which must open api.replicate.com, or send it again later."
)
_PROXY = "Check the address of the API, and let proxies and firewalls open api.replicate.com."

#: Of each meaning the exception, what it means in words, and what to do, if the exception itself does not say that.
_ERRORS: Mapping[Meaning, tuple[type[ReplicateError], str, str]] = {
    Meaning.TOKEN_REFUSED: (
        AuthenticationError,
        "unauthorized",
        "Is the API token the current one? Make a new one at replicate.com/account/api-tokens.",
    ),
    Meaning.FORBIDDEN: (AuthenticationError, "this account may not do that", "Use a token of an account that may."),
    Meaning.BLOCKED: (AuthenticationError, _OTHER, _PROXY),
    Meaning.NO_CREDIT: (CreditError, "the account has no credit left", ""),
    Meaning.NOT_FOUND: (
        NotFoundError,
        "not found",
        "Check the name or the id. What is private to another account is not found either.",
    ),
    Meaning.MISROUTED: (TransientError, _OTHER, _PROXY),
    Meaning.THROTTLED: (RateLimitError, "throttled", "Nothing was done: send it again after {hint_s:g} s."),
    Meaning.FAILED: (TransientError, "answered {status}", ""),
    Meaning.PERHAPS_DONE: (OutcomeUnknownError, "answered {status}", ""),
    Meaning.DONE: (ReplicateError, "answered {status}", _PROXY),
    Meaning.REDIRECTED: (ReplicateError, "answered {status}", _PROXY),
}


@dataclass(frozen=True, slots=True)
class _Ask:
    """One request, which may be sent several times. ``content`` is httpx's; it holds inputs, so ``repr`` hides it."""

    operation: Operation
    url: str
    content: Mapping[str, Any] = field(repr=False)
    extra_s: float = 0
    stream: bool = False


class Caller:
    """Sends operations with the account's token. Opens no connection before its first use."""

    def __init__(
        self,
        api_url: str,
        token: SecretSource,
        connections: Connections,
        timeouts: Timeouts,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.api_url = httpx.URL(api_url)
        self.connections = connections
        self.timeouts = timeouts
        self._token = token
        self._now = now

    async def call(self, name: str, *places: str, extra_s: float = 0, **content: Any) -> httpx.Response:
        """The successful answer to an operation.

        Args:
            name: the operation's id.
            places: the values of its path's placeholders, in order.
            extra_s: how much longer than usual the answer may take.
            content: as ``httpx.AsyncClient.build_request`` takes it: json, params, headers, files, ...

        Raises:
            ReplicateError: there is no successful answer; the subclass says what that means.
        """
        operation = OPERATIONS[name]
        return await self._send_with_retries(_Ask(operation, operation.address(*places), content, extra_s))

    async def one(self, read: Callable[[object], T | None], name: str, *places: str, **content: Any) -> T:
        """The answer to an operation, as ``read`` reads its JSON.

        Raises:
            ReplicateError: as ``call``; or ``read`` returned None, because it could not read the answer.
        """
        response = await self.call(name, *places, **content)
        value = read(answers.decoded(response))
        if value is None:
            raise _unreadable(OPERATIONS[name], response)
        return value

    async def pages(
        self, read: Callable[[object], T | None], name: str, *places: str, **content: Any
    ) -> AsyncGenerator[T, None]:
        """The entries of a list. Pages are fetched as they are needed; an entry that cannot be read is left out."""
        operation = OPERATIONS[name]
        following: str | None = operation.address(*places)
        seen: set[str] = set()
        while following is not None and following not in seen:
            seen.add(following)
            response = await self._send_with_retries(_Ask(operation, following, content))
            page = fields_of(response.content, "results")
            results = page.get("results", []) if page is not None else None
            if page is None or not isinstance(results, list):
                raise _unreadable(operation, response)
            for raw in results:
                if (value := entry(read, raw)) is not None:
                    yield value
            following = self._next(operation, page.get("next"))
            content = {key: value for key, value in content.items() if key != "params"}  # ``next`` holds them

    @asynccontextmanager
    async def opened(self, name: str, *places: str, **content: Any) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        """The body of a successful answer, in chunks of at most 64 KiB. Sent once, and bounded in time as a whole."""
        operation = OPERATIONS[name]
        deadline = asyncio.get_running_loop().time() + self.timeouts.total_s
        ask = _Ask(operation, operation.address(*places), content, stream=True)
        response = await self._send_with_fresh_token(ask, await self._get_current_token(operation))
        try:
            yield self._body(operation, response, deadline)
        finally:
            await response.aclose()

    async def bearer(self) -> str:
        """The token, for a request to one of Replicate's own hosts."""
        return await self._get_current_token(OPERATIONS["account.get"])

    # Sending.

    async def _send_with_retries(self, ask: _Ask) -> httpx.Response:
        token = await self._get_current_token(ask.operation)
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                return await self._send_with_fresh_token(ask, token)
            except ReplicateError as trouble:
                pause = pause_s(ask.operation.kind, trouble, tries, time.monotonic() - began, random.random())
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _send_with_fresh_token(self, ask: _Ask, token: str) -> httpx.Response:
        """Send; after a 401 once more, with a fresh token. A streamed answer is left open only if it is a success."""
        response = await sent_with_fresh_token(
            lambda each: self._send_once(ask, each),
            lambda answer: is_token_refused(answer.status_code),
            token,
            lambda: self._get_token(ask.operation, self._token.refresh),
        )
        if not response.is_success:
            raise error_of(response, ask.operation, self._now(), _texts(ask.content))
        return response

    async def _send_once(self, ask: _Ask, token: str) -> httpx.Response:
        writes = ask.operation.kind is Kind.WRITE
        client = self.connections.creates() if writes else self.connections.api()
        headers = {**ask.content.get("headers", {}), "Authorization": f"Bearer {token}"}
        content = {**ask.content, "headers": headers, "timeout": self.timeouts.ask(ask.extra_s)}
        try:
            # The read time-out counts for each read. A server that sends byte by byte would outlast it.
            async with asyncio.timeout(self.timeouts.total_s + ask.extra_s):
                request = client.build_request(ask.operation.method, ask.url, **content)
                if writes:
                    await closings_seen()
                response = await client.send(request, stream=ask.stream)
                if not response.is_success:
                    await response.aread()
                return response
        except REQUEST_ERRORS as error:
            at_once = not ask.content.keys() & {"files", "content"}
            raise _lost(ask.operation, error, at_once=at_once) from None  # its text may hold an address

    async def _body(
        self, operation: Operation, response: httpx.Response, deadline: float
    ) -> AsyncGenerator[bytes, None]:
        chunks = response.aiter_bytes(64 * 1024)
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(chunks, b"")
            except REQUEST_ERRORS as error:
                raise _lost(operation, error) from None
            if not chunk:
                return
            yield chunk

    # The token.

    async def _get_current_token(self, operation: Operation) -> str:
        return await self._get_token(operation, self._token.value)

    @staticmethod
    async def _get_token(operation: Operation, source: Callable[[], Any]) -> str:
        """The token from its source. The error's cause is the source's exception, which port.py passes on."""
        try:
            return checked(await source())
        except ConfigurationError as trouble:
            raise AuthenticationError(operation.id, trouble.why, advice=_COPY) from trouble
        except Unavailable as trouble:
            raise AuthenticationError(operation.id, f"the API token is not available: {trouble}") from trouble

    def _next(self, operation: Operation, raw: object) -> str | None:
        """The next page's address, if there is one. It must be at the API's own origin, because it gets the token."""
        if raw is None:
            return None
        try:
            url = httpx.URL(raw) if isinstance(raw, str) else None
        except httpx.InvalidURL:
            url = None
        if url is None or origin(url) != origin(self.api_url) or url.userinfo:
            raise ReplicateError(operation.id, "the next page of its list is not at its own origin")
        return str(url)


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: equal for two addresses of the same server."""
    return url.scheme, url.host, url.port


def error_of(response: httpx.Response, operation: Operation, now: datetime, sent: Iterable[str] = ()) -> ReplicateError:
    """The exception for an answer that is not a success. The status decides (statuses.py); the body adds the rest.

    ``sent`` are the texts of the request. The exception quotes none of them.
    """
    meaning, status = _meaning_of(response, operation), response.status_code
    if meaning is Meaning.REFUSED:
        return _not_accepted(response, operation.id, sent)
    hint_s = None
    if meaning is Meaning.THROTTLED:
        hint_s = answers.throttle_s(response, now)
    elif meaning in (Meaning.FAILED, Meaning.PERHAPS_DONE):
        hint_s = answers.retry_after_s(response, now)
    kind, words, advice = _ERRORS[meaning]
    return kind(
        operation.id,
        _said(response, sent, words.format(status=status)),
        status=status,
        retry_after_s=hint_s,
        ray=ray(response),
        advice=advice.format(hint_s=hint_s),
    )


def _meaning_of(response: httpx.Response, operation: Operation) -> Meaning:
    replicates = answers.is_replicates(answers.decoded(response))
    return meaning_of(response.status_code, operation.kind, replicates=replicates)


def _not_accepted(response: httpx.Response, name: str, sent: Iterable[str]) -> ValidationError:
    """The exception for what is not accepted. It names the fields, and quotes Replicate's own sentences."""
    texts = list(sent)
    rules = answers.broken_rules(answers.decoded(response))
    sentences = answers.field_sentences(answers.decoded(response))
    quoted = {field: redacted(sentence, texts) for field, sentence in sentences.items()}
    named = ", ".join(f"{field} ({_rule(rule, quoted.get(field, ''))})" for field, rule in rules.items())
    unsaid = f"answered {response.status_code}"
    said = f"not accepted: {named}" if named else _said(response, texts, "not accepted", unsaid)
    return ValidationError(
        name,
        said,
        rules,
        status=response.status_code,
        ray=ray(response),
        advice="Nothing was done: correct that, and send it again.",
    )


def _rule(rule: str, sentence: str) -> str:
    """A rule with Replicate's sentence about it, unless nothing of that is left after the redaction."""
    return f"{rule}: {sentence}" if sentence.replace(MARK, "").strip(" .,:;'\"") else rule


def _said(response: httpx.Response, sent: Iterable[str], meaning: str, unsaid: str = "") -> str:
    """What a refusal means, with Replicate's own sentence if it gives one."""
    body = fields(answers.decoded(response))
    sentence = redacted(text(body.get("detail")) or text(body.get("title")), sent) or unsaid
    return f"{meaning}: {sentence}" if sentence else meaning


def _texts(content: object, depth: int = 8) -> list[str]:
    """The texts in a request's content, down to ``depth`` levels."""
    if isinstance(content, str):
        return [content]
    if depth == 0 or not isinstance(content, (Mapping, list, tuple)):
        return []
    inner = content.values() if isinstance(content, Mapping) else content
    return [found for each in inner for found in _texts(each, depth - 1)]


def _lost(operation: Operation, error: Exception, *, at_once: bool = False) -> ReplicateError:
    """The exception for a request without a whole answer. ``at_once``: its head and body were written together."""
    if never_sent(error) or (at_once and never_written(error)):
        return TransientError(operation.id, f"not reached: {describe(error)}", advice=_UNREACHED)
    if operation.kind is Kind.WRITE:
        return OutcomeUnknownError(operation.id, describe(error))
    return (TimedOutError if timed_out(error) else TransientError)(operation.id, describe(error))


def _unreadable(operation: Operation, response: httpx.Response) -> ReplicateError:
    trouble = OutcomeUnknownError if operation.kind is Kind.WRITE else TransientError
    return trouble(operation.id, "its answer could not be read", status=response.status_code, ray=ray(response))


def ray(response: httpx.Response) -> str:
    """Cloudflare's id of a request, which Replicate's support asks for. Bounded, because it comes from outside."""
    trace = str(response.headers.get("cf-ray", ""))[:40]
    return trace if trace.isascii() and trace.isprintable() else ""
