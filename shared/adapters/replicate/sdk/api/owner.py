"""The account that the token belongs to."""

from shared.adapters.replicate.reading import fields, text
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.types import Account


class Owner:
    """Operations on the account."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def get(self) -> Account:
        """The token's account: the cheapest proof that the token is valid."""
        return await self._caller.one(Account.read, "account.get")

    async def webhook_secret(self) -> str:
        """The secret that signs the account's webhooks, ``whsec_...``. It changes only by hand: cache it."""
        return await self._caller.one(lambda raw: text(fields(raw).get("key")) or None, "webhooks.default.secret.get")
