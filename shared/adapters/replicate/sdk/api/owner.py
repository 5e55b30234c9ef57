"""The account that the token belongs to."""

from shared.adapters.replicate.reading import fields, text
from shared.adapters.replicate.sdk.calling import Caller
from shared.adapters.replicate.sdk.types import Account


class Owner:
    """Operations on the account."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def get(self) -> Account:
        """Whose token it is: the cheapest proof that a token is good."""
        return await self._caller.one(Account.read, "account.get")

    async def webhook_secret(self) -> str:
        """The secret that the account's webhooks are signed with, ``whsec_...``. It changes only by hand: cache it."""
        return await self._caller.one(lambda raw: text(fields(raw).get("key")) or None, "webhooks.default.secret.get")
