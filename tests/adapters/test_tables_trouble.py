"""Errors of Tables: lost answers, refusals, and no connection."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import aiohttp
import pytest
import pytest_asyncio

from dev.azurite import ACCOUNT, Azurite
from shared.adapters.azure_storage.access import AccountKey, SharedAccessSignature, StorageAccount
from shared.adapters.azure_storage.tables import TableIndex, TableService, TablesRefused, TableStore
from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.money import moves
from shared.core.money.moves import Posting
from shared.core.requests.messages import GenerationRequest
from shared.ports import Conflict, Loaded, Unavailable
from tests.adapters import examples
from tests.adapters.conftest import fresh_name
from tests.adapters.examples import NOW, give, opening
from tests.adapters.trouble import SAS, WRONG_KEY, answering, assert_discreet

KEY = Key("ada", "one")


class LosesAnswers:
    """A middleware that carries each request and then, ``losses`` times, loses the answer to a write."""

    def __init__(self) -> None:
        self.losses = 0
        self.after_loss: Callable[[], Awaitable[object]] | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request, and then answer 503 in place of the service."""
        response = await handler(request)
        if self.losses and request.method in ("POST", "PUT"):
            self.losses -= 1
            response.status = 503
            if self.after_loss:
                await self.after_loss()
        return response


@pytest_asyncio.fixture
async def line() -> LosesAnswers:
    """The REST client of ``lossy``."""
    return LosesAnswers()


@pytest_asyncio.fixture
async def lossy(azurite: Azurite, line: LosesAnswers, table_store: TableStore) -> AsyncIterator[TableStore]:
    """The store of ``table_store`` with a client that loses answers. Requests are repeated as always."""
    account = StorageAccount.by_string(azurite.connection_string, "table")
    service = TableService(account, pauses_s=(0, 0, 0), middlewares=(line,))
    yield TableStore(service, table_store.name)
    await service.close()


@pytest.mark.stack
async def test_an_own_transaction_is_not_a_rival(lossy: TableStore, line: LosesAnswers) -> None:
    """The opening is saved, its answer is lost, and its second try is refused. It counts as opened, once."""
    account = await give(lossy, "ada")
    before = await lossy.load(KEY)
    line.losses = 1

    committed = await lossy.commit(before, opening(KEY, account))

    assert line.losses == 0
    assert committed == await lossy.load(KEY)
    assert committed.generation == opening(KEY, account).generation
    assert len([each async for each in lossy.ledger("ada")]) == 2


@pytest.mark.stack
async def test_an_own_insert_and_update_are_no_rivals(lossy: TableStore, line: LosesAnswers) -> None:
    """The same without a transaction: one row, inserted and then replaced."""
    first = examples.full_generation(KEY)
    line.losses = 1
    inserted = await lossy.commit(Loaded(None, "", None, ""), Transition(first))
    second = replace(first, state=State.WAITING)
    line.losses = 1
    updated = await lossy.commit(inserted, Transition(second))

    assert line.losses == 0
    assert inserted.generation == first
    assert updated == await lossy.load(KEY)
    assert updated.generation == second


@pytest.mark.stack
async def test_an_own_move_is_known_by_its_ledger_row(
    lossy: TableStore, line: LosesAnswers, table_store: TableStore
) -> None:
    """Even if a rival has changed the generation before the second try: the hold shows that this write was stored."""
    account = await give(lossy, "ada")
    before = await lossy.load(KEY)

    async def rival() -> None:
        found = await table_store.load(KEY)
        assert isinstance(found.generation, Generation)
        await table_store.commit(found, Transition(replace(found.generation, state=State.WAITING)))

    line.losses, line.after_loss = 1, rival

    committed = await lossy.commit(before, opening(KEY, account))

    assert committed.generation is not None
    assert committed.generation.state is State.WAITING
    assert committed == await table_store.load(KEY)


@pytest.mark.stack
async def test_a_rival_is_still_a_rival(lossy: TableStore, line: LosesAnswers, table_store: TableStore) -> None:
    """A refused write whose answer was lost does not count as stored."""
    account = await give(lossy, "ada")
    before = await lossy.load(KEY)
    committed = await table_store.commit(before, opening(KEY, account))
    line.losses = 1

    with pytest.raises(Conflict):
        await lossy.commit(before, opening(KEY, account))

    assert line.losses == 0
    assert await table_store.load(KEY) == committed


@pytest.mark.stack
async def test_an_own_grant_counts_as_posted(lossy: TableStore, line: LosesAnswers) -> None:
    """The entry is posted once, and the call does not raise, because its own first try posted it."""
    account = await give(lossy, "ada")
    _, etag = await lossy.load_account("ada")
    after = moves.grant(account, 5, grant_id="again", posting=Posting(at=NOW))
    line.losses = 1

    await lossy.post(after.account, etag, after.entries)

    assert line.losses == 0
    assert (await lossy.load_account("ada"))[0] == after.account


@pytest.mark.stack
async def test_a_missing_table_is_named(table_service: TableService) -> None:
    """A missing table is not a missing row: the deployment is not finished, and the messages wait for it."""
    store, index = TableStore(table_service, "nothere"), TableIndex(table_service, "nothere")
    for work in (
        store.load(KEY),
        store.commit(Loaded(None, "", None, ""), Transition(examples.full_generation(KEY))),
        store.commit(Loaded(None, "", None, 'W/"1"'), Transition(examples.full_generation(KEY))),
        give(store, "ada"),
        anext(store.accounts()),
        index.put(examples.open_row(KEY)),
        index.move(KEY, NOW),
        index.get(KEY),
        index.due(NOW, 5),
    ):
        with pytest.raises(Unavailable, match="the table 'nothere' does not exist: deploy"):
            await work


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # the SDK's, from 3.12 on
@pytest.mark.stack
async def test_a_wrong_key_says_what_is_needed(azurite: Azurite) -> None:
    """The error names the role, and quotes nothing of the text to be signed."""
    wrong = AccountKey(ACCOUNT, base64.b64decode(WRONG_KEY), "table")
    service = TableService(StorageAccount(azurite.table_url, wrong))
    store = TableStore(service, fresh_name())
    for work in (store.load(KEY), anext(store.accounts())):
        with pytest.raises(Unavailable, match="Storage Table Data Contributor") as caught:
            await work
        assert_discreet(caught.value)
    await service.close()


@pytest.mark.parametrize(
    ("host", "role"),
    [
        ("example.table.core.windows.net", "Storage Table Data Contributor"),
        ("example.table.cosmos.azure.com:443", "Cosmos DB Built-in Data Contributor"),
    ],
)
async def test_who_is_denied_access_learns_the_role_of_the_place(
    host: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storage and Cosmos DB have different roles, and the error names the right one."""
    async with answering(403, {}) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        service = TableService(StorageAccount(f"http://{host}", SharedAccessSignature(SAS)))
        store, index = TableStore(service, "state"), TableIndex(service, "open")
        transition = opening(KEY, examples.full_account("ada"))
        for work in (
            store.load(KEY),
            store.commit(Loaded(None, "", None, ""), transition),
            store.ensure(),
            anext(store.accounts()),
            index.ensure(),
            index.put(examples.open_row(KEY)),
            index.move(KEY, NOW),
            index.get(KEY),
            index.remove(KEY),
            index.due(NOW, 1),
        ):
            with pytest.raises(Unavailable, match=f"access denied: the identity needs the role {role}, or") as caught:
                await work
            assert_discreet(caught.value)
        await service.close()


async def test_nobody_there_is_unavailable(unused_tcp_port: int) -> None:
    """The error quotes neither the URL with its signature nor the prompt."""
    url = f"http://127.0.0.1:{unused_tcp_port}/account"
    account = StorageAccount(url, SharedAccessSignature(SAS))
    service = TableService(account, pauses_s=(), sdk_options={"retry_total": 0})
    store, index = TableStore(service, "state"), TableIndex(service, "open")
    request = GenerationRequest(key=KEY, prompt=examples.PROMPT)
    transition = Transition(replace(examples.full_generation(KEY), request=request))
    for work in (
        store.load(KEY),
        store.commit(Loaded(None, "", None, ""), transition),
        store.ensure(),
        anext(store.accounts()),
        index.put(examples.open_row(KEY)),
        index.due(NOW, 1),
    ):
        with pytest.raises(Unavailable, match="tables is not available: no connection") as caught:
            await work
        assert_discreet(caught.value, examples.PROMPT[:5])
    await service.close()


@pytest.mark.parametrize(("status", "hint", "retry_after_s"), [(503, "7", 7.0), (429, "", None), (500, "soon", None)])
async def test_a_busy_service_is_unavailable(status: int, hint: str, retry_after_s: float | None) -> None:
    """The error has the service's Retry-After, if it is a number."""
    async with answering(status, {"Retry-After": hint}) as url:
        service = TableService(StorageAccount(url, SharedAccessSignature(SAS)), pauses_s=())
        with pytest.raises(Unavailable, match=f"it answered {status}") as caught:
            await TableStore(service, "state").load(KEY)
        await service.close()

    assert caught.value.retry_after_s == retry_after_s
    assert_discreet(caught.value)


@pytest.mark.stack
async def test_a_row_beyond_the_limits_is_refused_for_good(table_store: TableStore) -> None:
    """It is not Unavailable, because then it would be retried for ever."""
    generation = replace(examples.full_generation(KEY), text="x" * 70_000)

    with pytest.raises(TablesRefused, match="400 PropertyValueTooLarge"):
        await table_store.commit(Loaded(None, "", None, ""), Transition(generation))
