"""Claims-based security: the $cbs node checks the tokens that clients sign with the shared access key.

A token is `SharedAccessSignature sr=<uri>&sig=<base64 HMAC-SHA256>&se=<unix time>&skn=<key name>`, signed over the
resource as it stands in the token, a line feed, and the expiry (Microsoft Learn, "Service Bus access control with
Shared Access Signatures"). A JWT of Microsoft Entra is accepted unread: the emulator has no key to check it with.
"""

import base64
import hashlib
import hmac
from urllib.parse import unquote

from servicebus_emulator import codec, requests
from servicebus_emulator.hub import Credentials, Hub
from servicebus_emulator.requests import Request

NODE = "$cbs"

_SAS_SCHEME = "SharedAccessSignature"


def answer(hub: Hub, request: Request) -> bytes:
    """The encoded reply to a request; names are hyphenated here, unlike those of $management."""
    problem = _problem(hub.credentials, request, hub.now_ms())
    properties = {
        "status-code": codec.int32(401 if problem else 202),
        "status-description": codec.string(problem or "Accepted"),
    }
    if problem:
        properties["error-condition"] = codec.symbol("com.microsoft:auth-failed")
    return requests.reply(request, properties)


def _problem(credentials: Credentials, request: Request, now_ms: int) -> str | None:
    """Why a token is not accepted; never with a part of the token in it."""
    if request.operation != "put-token" or not isinstance(request.body, str):
        return "Expected the operation put-token with a token as body."
    # Not by the type property: azure-servicebus 7.15 calls its signed tokens "jwt", too.
    scheme, _space, text = request.body.partition(" ")
    if scheme != _SAS_SCHEME:
        return None
    fields = dict(part.partition("=")[::2] for part in text.split("&"))
    if unquote(fields.get("skn", "")) != credentials.name:
        return "The shared access key name is not known."
    signed = f"{fields.get('sr', '')}\n{fields.get('se', '')}".encode()
    expected = base64.b64encode(hmac.digest(credentials.key.encode(), signed, hashlib.sha256))
    if not hmac.compare_digest(expected, unquote(fields.get("sig", "")).encode()):
        return "The token has a wrong signature."
    expiry = fields.get("se", "")
    if not expiry.isdecimal() or int(expiry) * 1000 <= now_ms:
        return "The token has expired."
    return None
