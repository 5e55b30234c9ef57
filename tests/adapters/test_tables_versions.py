"""The rows of trained versions: the same cases on the fake and on Azurite."""

from dataclasses import replace

import pytest

from shared.core.keys import Key
from shared.core.lifecycle.generation import Generation
from shared.core.training.versions import TrainedVersion
from shared.ports import Conflict, Store
from tests.adapters.examples import NOW, ending, give, opening

KEY = Key("ada", "one")


async def test_a_version_is_saved_with_the_end_of_its_training_and_is_its_accounts_alone(store: Store) -> None:
    """It is read with the generation, by its name; another account does not have it, and none exists twice."""
    account = await give(store, "ada")
    opened = await store.commit(await store.load(KEY), opening(KEY, account))
    assert isinstance(opened.generation, Generation)
    assert opened.account is not None
    name = "ada/lora:" + "5e" * 32
    version = TrainedVersion(name=name, entry="portrait", trainer="trainer", key=KEY, made_at=NOW, weights="ada/1.tar")
    ended = replace(ending(opened.generation, opened.account), version=version)
    await store.commit(opened, ended)
    assert (await store.load(KEY, name)).version == version
    assert (await store.load(KEY, name[:-1] + "0")).version is None
    assert (await store.load(Key("bob", "one"), name)).version is None
    assert [each async for each in store.versions("ada")] == [version]
    assert [each async for each in store.versions("bob")] == []
    await store.forget_version("bob", name)
    assert [each async for each in store.versions("ada")] == [version]
    await store.forget_version("ada", name)
    await store.forget_version("ada", name)
    assert (await store.load(KEY, name)).version is None


async def test_an_end_that_loses_leaves_no_version(store: Store) -> None:
    """All of a transaction or nothing."""
    account = await give(store, "ada")
    opened = await store.commit(await store.load(KEY), opening(KEY, account))
    assert isinstance(opened.generation, Generation)
    assert opened.account is not None
    version = TrainedVersion(name="ada/lora:" + "5e" * 32, entry="a", trainer="b", key=KEY, made_at=NOW)
    with pytest.raises(Conflict):
        await store.commit(
            replace(opened, account_etag='W/"1"'), replace(ending(opened.generation, opened.account), version=version)
        )
    assert [each async for each in store.versions("ada")] == []
