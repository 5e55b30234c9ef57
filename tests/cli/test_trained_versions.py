"""version: what an account has trained is listed, and deleted with all that Replicate has of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dev.fakes.archives import WEIGHTS_TAR
from shared.adapters.replicate.sdk.errors import NotFoundError, ValidationError
from shared.cli.context import Connected
from tests.cli.counter import Called, Counter
from tests.worker.modalities import CATALOG, TRAINED_VERSION, WILLING, trained

_MODEL, _, _VERSION = TRAINED_VERSION.partition(":")


@dataclass
class Library:
    """The parts of Replicate's client library that these commands use, on what was handed to the fake provider."""

    files: dict[str, str] = field(default_factory=dict)
    versions: set[tuple[str, str]] = field(default_factory=set)
    says: str = ""

    @property
    def api(self) -> Any:
        """Itself, by the library's names."""
        return SimpleNamespace(
            versions=SimpleNamespace(delete=self._delete_version),
            files=SimpleNamespace(list=self._list, delete=self._delete_file),
        )

    async def _delete_version(self, model: str, version: str) -> None:
        if self.says:
            raise ValidationError("models.versions.delete", self.says)
        if (model, version) not in self.versions:
            raise NotFoundError("models.versions.delete", "there is no such version")
        self.versions.remove((model, version))

    async def _list(self) -> AsyncIterator[SimpleNamespace]:
        for file_id, name in list(self.files.items()):
            yield SimpleNamespace(id=file_id, name=name)

    async def _delete_file(self, file_id: str) -> None:
        del self.files[file_id]


class Owner(Counter):
    """A counter in whose world ada has trained a version, and others have files at Replicate too."""

    def __init__(self) -> None:
        super().__init__()
        self.deps = replace(self.deps, policy=WILLING, catalog=self.of_catalog(CATALOG))
        self.operations.deps = self.deps
        self.library = Library(versions={(_MODEL, _VERSION)})
        self.operations.connected = cast("Connected", self.library)

    async def trains(self) -> None:
        """From the grant to the version."""
        await self.open_account(amount=1000)
        await trained(self)
        names = [name for name, _ in self.replicate.uploaded.values()]
        self.library.files = {f"f{number}": name for number, name in enumerate([*names, "pictures.zip", "bob.zip"])}


@pytest.fixture
def owner() -> Owner:
    """Ada has her version."""
    made = Owner()
    asyncio.run(made.trains())
    return made


def call(owner: Owner, *argv: str) -> Called:
    """One command."""
    return owner.call("version", *argv)


def test_what_an_account_has_trained_is_listed(owner: Owner) -> None:
    """With the entry from which it inherits; another account has nothing."""
    called = call(owner, "list", "--account", "ada")
    assert (called.code, called.err) == (0, "")
    assert called.out == f"{TRAINED_VERSION}  2026-11-21  as portrait, by trainer\n"
    assert call(owner, "list", "--account", "bob").out == "bob has trained no version.\n"


def test_all_of_a_version_is_deleted(owner: Owner) -> None:
    """The version and the trainer's files at Replicate, the weights and the row here. Other files stay."""
    (weights,) = owner.blobs.outputs
    assert owner.blobs.outputs[weights].content == WEIGHTS_TAR
    called = call(owner, "delete", TRAINED_VERSION, "--account", "ada")
    assert (called.code, called.out) == (0, f"deleted 1 file at Replicate\ndeleted {TRAINED_VERSION}\n")
    assert owner.library.versions == set()
    assert sorted(owner.library.files.values()) == ["bob.zip", "pictures.zip"]
    assert owner.blobs.outputs == {}
    assert owner.store.saved_versions == {}
    assert owner.balances() == (900, 0, 100)
    assert call(owner, "delete", TRAINED_VERSION, "--account", "ada").code == 1


def test_what_is_gone_there_is_no_error(owner: Owner) -> None:
    """Somebody deleted it on Replicate's page: the rest goes too."""
    owner.library.versions.clear()
    assert call(owner, "delete", TRAINED_VERSION, "--account", "ada").code == 0
    assert owner.store.saved_versions == {}


def test_a_version_that_replicate_keeps_stays_here_too(owner: Owner) -> None:
    """With Replicate's own sentence."""
    owner.library.says = "a deployment uses it"
    called = call(owner, "delete", TRAINED_VERSION, "--account", "ada")
    assert called.code == 1
    assert "a deployment uses it" in called.err
    assert list(owner.store.saved_versions) == [("ada", TRAINED_VERSION)]
    assert len(owner.blobs.outputs) == 1
    assert len(owner.library.files) == 3


def test_another_account_deletes_nothing(owner: Owner) -> None:
    """It has no such version."""
    called = call(owner, "delete", TRAINED_VERSION, "--account", "bob")
    assert (called.code, "bob has no version" in called.err) == (1, True)
    assert owner.library.versions == {(_MODEL, _VERSION)}


def test_the_files_of_a_training_are_deleted_alone(owner: Owner) -> None:
    """Version and weights stay."""
    called = call(owner, "delete-files", "one", "--user", "ada")
    assert (called.code, called.out) == (0, "deleted 1 file at Replicate\n")
    assert sorted(owner.library.files.values()) == ["bob.zip", "pictures.zip"]
    assert owner.library.versions == {(_MODEL, _VERSION)}
    assert call(owner, "delete-files", "none", "--user", "ada").code == 1
