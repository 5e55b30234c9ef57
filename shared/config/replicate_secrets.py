"""Replicate's two secrets as people paste them: how the general rules of pasted_secrets.py are used for them.

They stand here because the settings read them and may not import an adapter.
"""

from shared.core.provider import pasted_secrets

_SETTING, _SECRET_SETTING = "REPLICATE_API_TOKEN", "REPLICATE_WEBHOOK_SECRET"

#: How every API token of Replicate begins.
_BEGINNING = "r8_"


def api_token(text: str) -> str:
    """Clean the API token. Raises NoSecretError if it is not a token."""
    return pasted_secrets.token(text, setting=_SETTING)


def signing_secret(text: str) -> str:
    """Clean the webhook signing secret. Raises NoSecretError without a key."""
    return pasted_secrets.signing_secret(text, setting=_SECRET_SETTING, token_prefix=_BEGINNING)
