"""The error answers of Replicate's API, in the shapes that recorded and reported answers have.

    application/problem+json   {title, detail, status[, invalid_fields][, retry_after]}
    application/json           {detail}
    text/html                  what the proxy in front of the API says on 5xx

Input errors use the words of the gojsonschema library ("prompt is required", "Additional property x is not allowed"),
because the recorded answers do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web


@dataclass(frozen=True, slots=True)
class InvalidField:
    """One thing that is wrong with a body: `field` is a dotted path, empty for the body itself."""

    type: str
    field: str
    description: str

    def line(self) -> str:
        """Returns the line of the problem's `detail`."""
        place = f"{self.field}: " if self.field else ""
        return f"- {place}{self.description}\n"


@dataclass(eq=False)
class ProblemError(Exception):
    """A request that is answered with an error."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        """Returns the HTTP answer."""
        kind = "application/problem+json" if "title" in self.body else "application/json"
        return web.json_response(self.body, status=self.status, headers=self.headers, content_type=kind)


def _titled(status: int, title: str, detail: str) -> ProblemError:
    return ProblemError(status, {"title": title, "detail": detail, "status": status})


def no_authorization() -> ProblemError:
    """401: the Authorization header is missing."""
    return ProblemError(401, {"detail": "Authorization header required"})


def not_a_bearer() -> ProblemError:
    """401: there is an Authorization header, but no bearer token in it."""
    return _titled(401, "Unauthenticated", "You did not pass a valid authentication token")


def unknown_token() -> ProblemError:
    """401: a bearer token that is not this account's."""
    return _titled(401, "Authentication required", "Invalid or expired API token.")


def no_credit() -> ProblemError:
    """402: the account's prepaid credit is used up."""
    return _titled(
        402,
        "Insufficient credit",
        "You have insufficient credit to run this model. Go to https://replicate.com/account/billing#billing to "
        "purchase credit. Once you purchase credit, please wait a few minutes before trying again.",
    )


def forbidden() -> ProblemError:
    """403: the account may not do that."""
    return ProblemError(403, {"detail": "You do not have permission to perform this action."})


def blocked() -> web.Response:
    """403 of the edge in front of the API: its page, not Replicate's JSON."""
    page = "<!DOCTYPE html>\n<html><head><title>Attention Required! | Cloudflare</title></head><body></body></html>\n"
    return web.Response(status=403, text=page, content_type="text/html")


def lost_way() -> web.Response:
    """404 of a load balancer that knows no way: a line, not Replicate's JSON."""
    return web.Response(status=404, text="default backend - 404", content_type="text/plain")


def not_found() -> ProblemError:
    """404: no such model, deployment or prediction."""
    return _titled(404, "Not found", "The requested resource could not be found.")


def not_simulated(status: int, detail: str) -> ProblemError:
    """404 or 405, of the simulator's own: no such operation is spoken here."""
    return _titled(status, "Not simulated", detail)


def bad_request(detail: str) -> ProblemError:
    """400: the body is no JSON object."""
    return _titled(400, "Bad request", detail)


def unknown_version() -> ProblemError:
    """422: a version that does not exist, or a model that may not be called without its version."""
    return _titled(
        422,
        "Invalid version or not permitted",
        "The specified version does not exist (or perhaps you don't have permission to use it?)",
    )


def too_large() -> ProblemError:
    """413: a file beyond 100 MiB."""
    return _titled(413, "Payload too large", "Files must be less than 100MB in size")


def no_destination() -> ProblemError:
    """404: a training's destination that the account has not."""
    return ProblemError(404, {"detail": "The specified training destination does not exist", "status": 404})


def invalid(fields: Sequence[InvalidField]) -> ProblemError:
    """422: what is wrong with the body or the input."""
    return ProblemError(
        422,
        {
            "detail": "".join(each.line() for each in fields),
            "status": 422,
            "title": "Input validation failed",
            "invalid_fields": [
                {"type": each.type, "field": each.field, "description": each.description} for each in fields
            ],
        },
    )


def throttled(hint: str, seconds: int) -> ProblemError:
    """429: nothing was created. `hint` says where the waiting time stands: header, body, text or all of them."""
    plain = "Request was throttled."
    headers = {"Retry-After": str(seconds)} if hint in {"header", "all"} else {}
    body: dict[str, Any] = {"detail": plain}
    if hint == "text":
        body = {"detail": f"{plain} Your rate limit resets in ~{seconds}s."}
    elif hint == "body":
        body = {"detail": plain, "status": 429, "retry_after": seconds}
    elif hint == "all":
        low_credit = (
            f"{plain} Your rate limit for creating predictions is reduced to 6 requests per minute with a burst of "
            f"1 requests while you have less than $5.0 in credit. Your rate limit resets in ~{seconds}s."
        )
        body = {"detail": low_credit, "status": 429, "retry_after": seconds}
    return ProblemError(429, body, headers)


#: What the proxy in front of the API sends: an HTML page, not JSON.
PROXY_PAGE: Final = (
    "<!DOCTYPE html>\n<html>\n<head><title>replicate.com | {status}: Server error</title></head>\n"
    "<body><h1>Error {status}</h1><p>The web server reported an error.</p></body>\n</html>\n"
)


def proxy_error(status: int) -> web.Response:
    """Returns a 5xx answer as the proxy gives it."""
    return web.Response(status=status, text=PROXY_PAGE.format(status=status), content_type="text/html")
