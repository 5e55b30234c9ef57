"""The same load through the documented patterns of others: check, call, deduct. Each is a few lines, written from them.

open_saas  the demo app of wasp's Open SaaS, `generateGptResponse` in template/app/src/demo-ai-app/operations.ts at
           0165e70: the user was read with the session; the provider is called; if the credits that were read are above
           zero, one is deducted, else the user is refused.
           https://github.com/wasp-lang/open-saas/blob/0165e70db6feb217e4ca47099751df3f80c52ef4/template/app/src/demo-ai-app/operations.ts
litellm    LiteLLM's `BudgetManager`, as its page shows it: the provider is called if the cost so far is at most the
           budget, and the cost is added after the answer. https://docs.litellm.ai/docs/budget_manager
           It is not LiteLLM's proxy, which reserves before the call (docs/budgets.md).

Rules of this file:
1. The deduction itself is atomic and is never lost, as a database's `decrement` is: read, and written with If-Match
   until it succeeds. What is shown is the time between check and deduction, and no other weakness.
2. No more calls are under way at once than one instance of Darkroom has. A web server would take more.
3. Accounts are rows of a table in the same Azurite, predictions are made by the same simulator.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient, TableServiceClient

from dev.budget.figures import Figure, Load
from dev.stack import Stack

#: The calls that one instance of Darkroom has under way (host.json, maxConcurrentCalls).
AT_ONCE = 16

_CREATE = "/v1/models/black-forest-labs/flux-schnell/predictions"


@dataclass(frozen=True, slots=True)
class Shop:
    """One account of a peer and its provider. ``credits`` are what is left of the room."""

    table: TableClient
    row_key: str
    replicate: httpx.AsyncClient
    room: int

    async def credits(self) -> int:
        """Read the credits that are left."""
        return int((await self.table.get_entity("shop", self.row_key))["credits"])

    async def deduct(self) -> None:
        """Take one credit (rule 1)."""
        while True:
            row = await self.table.get_entity("shop", self.row_key)
            row["credits"] -= 1
            etag, unless = row.metadata["etag"], MatchConditions.IfNotModified
            try:
                await self.table.update_entity(row, UpdateMode.REPLACE, etag=etag, match_condition=unless)
            except ResourceModifiedError:
                continue
            return

    async def call(self) -> None:
        """Have the provider make one picture, and wait for it."""
        body = {"input": {"prompt": f"A lighthouse, mark {self.row_key}, number {uuid4().hex}"}}
        answer = await self.replicate.post(_CREATE, json=body, headers={"Prefer": "wait=60"})
        answer.raise_for_status()


async def open_saas(shop: Shop) -> bool:
    """Call, then look at the credits that were read before; whether the user got the picture."""
    read = await shop.credits()
    await shop.call()
    if read > 0:
        await shop.deduct()
        return True
    return False


async def litellm(shop: Shop) -> bool:
    """Compare what was spent with the budget, call, add the cost; whether the user got the picture."""
    if shop.room - await shop.credits() <= shop.room:
        await shop.call()
        await shop.deduct()
        return True
    return False


Pattern = Callable[[Shop], Awaitable[bool]]

PATTERNS: Mapping[str, Pattern] = {"open-saas pattern": open_saas, "BudgetManager pattern": litellm}


async def fired(stack: Stack, load: Load, most_s: float) -> list[Figure]:
    """Fire the load at an account of each pattern and read back what became of it."""
    async with AsyncExitStack() as opened:
        service = TableServiceClient.from_connection_string(stack.values["STORAGE_CONNECTION_STRING"])
        await opened.enter_async_context(service)
        table = await service.create_table_if_not_exists(f"peers{uuid4().hex[:10]}")
        client = httpx.AsyncClient(
            base_url=stack.replicate_url,
            headers={"Authorization": f"Bearer {stack.replicate_token}"},
            timeout=most_s,
            limits=httpx.Limits(max_connections=AT_ONCE),
        )
        replicate = await opened.enter_async_context(client)
        return [
            await _figure(Shop(table, f"shop-{uuid4().hex[:8]}", replicate, load.room), name, pattern, load, most_s)
            for name, pattern in PATTERNS.items()
        ]


async def _figure(shop: Shop, name: str, pattern: Pattern, load: Load, most_s: float) -> Figure:
    await shop.table.create_entity({"PartitionKey": "shop", "RowKey": shop.row_key, "credits": shop.room})
    requests: asyncio.Queue[None] = asyncio.Queue()
    served: list[bool] = []

    async def handler() -> None:
        while not requests.empty():
            requests.get_nowait()
            served.append(await pattern(shop))

    for _ in range(load.requests):
        requests.put_nowait(None)
    async with asyncio.timeout(most_s), asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(handler())
    made = (await shop.replicate.get("/_sim/predictions")).json()
    used = shop.room - await shop.credits()
    return Figure(
        who=name,
        bound="balance",
        account_id=shop.row_key,
        room=shop.room,
        sent=load.requests,
        opened=used,
        refused=served.count(False),
        most_used=used,
        made=sum(f"mark {shop.row_key}" in each["input"].get("prompt", "") for each in made),
    )
