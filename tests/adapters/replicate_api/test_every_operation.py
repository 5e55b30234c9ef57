"""Every operation of the OpenAPI document: it has a method, and requests and answers keep the contract."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from replicate_simulator.models import TRAINER as TRAINER_MODEL
from shared.adapters.replicate.sdk.api import NewPrediction, ReplicateApi
from shared.adapters.replicate.sdk.api.files import signed
from shared.adapters.replicate.sdk.operations import OPERATIONS
from shared.adapters.replicate.sdk.retrying import PAUSES_S, TRIED_AGAIN, TRYING_S
from tests.adapters.replicate_api import contract
from tests.adapters.replicate_api.world import LLAMA, OWNER, SCHNELL, TRAINER, World, api_at

PAGE = Path(__file__).parents[3] / "docs" / "replicate.md"
HOOK = "https://app.example/hook"
NEW = NewPrediction(
    inputs={"prompt": "a fox"}, webhook=None, events=("start", "completed"), wait_s=1, cancel_after_s=90
)
TRAINING = {"input_images": "https://pictures.example/images.zip", "steps": 3}


@dataclass
class Story:
    """What one call leaves for the next."""

    world: World
    left: dict[str, Any] = field(default_factory=dict)

    @property
    def api(self) -> ReplicateApi:
        """The client."""
        return self.world.api


async def all_of(things: AsyncIterator[Any]) -> list[Any]:
    """Read a paged list to its end."""
    return [thing async for thing in things]


async def create_prediction(story: Story) -> None:
    """By a version, with all there is."""
    version = f"{LLAMA}:{(await story.api.models.get(LLAMA)).latest_version.id}"  # type: ignore[union-attr]
    story.left["prediction"] = (await story.api.predictions.create(version, NEW)).id


async def create_training(story: Story) -> None:
    """Into a model of the account's own; it runs until it is canceled."""
    story.world.takes(60, 60)
    version = TRAINER_MODEL.version or ""
    training = await story.api.trainings.create(
        TRAINER, version, destination=f"{OWNER}/own", inputs=TRAINING, webhook=HOOK, events=["completed"]
    )
    story.left["training"] = training.id


async def deploy(story: Story) -> None:
    """Create a deployment of the model that streams."""
    model = await story.api.models.get(LLAMA)
    assert model.latest_version is not None
    await story.api.deployments.create(
        "chat", model=LLAMA, version=model.latest_version.id, hardware="gpu-l40s", min_instances=0, max_instances=2
    )


async def get_version(story: Story) -> None:
    """The first of the list."""
    (version, *_) = await all_of(story.api.versions.list(SCHNELL))
    assert (await story.api.versions.get(SCHNELL, version.id)).id == version.id


async def delete_version(story: Story) -> None:
    """The one that a training made."""
    story.world.takes(0.01, 0.02)
    training = await story.api.trainings.create(
        TRAINER, TRAINER_MODEL.version or "", destination=f"{OWNER}/own", inputs=TRAINING
    )
    story.world.later(60)
    done = await story.api.trainings.get(training.id)
    await story.api.versions.delete(f"{OWNER}/own", done.trained_version.partition(":")[2])


async def delete_model(story: Story) -> None:
    """One that never had a version: a training that was canceled too late has given one to the other."""
    await story.api.models.create(f"{OWNER}/empty", hardware="cpu", description="none")
    await story.api.models.delete(f"{OWNER}/empty")


async def upload(story: Story) -> None:
    """A small file with metadata."""
    file = await story.api.files.create(
        b"abc", filename='a "b".txt', content_type="text/plain", metadata={"customer": 7}
    )
    story.left["file"] = file.id


async def download(story: Story) -> None:
    """With a signature of our own."""
    expiry = datetime.now(UTC) + timedelta(hours=1)
    file_id, secret = story.left["file"], story.world.simulator.library.files_secret
    signature = signed(secret, owner=OWNER, file_id=file_id, expiry=expiry)
    async with story.api.files.download(file_id, owner=OWNER, expiry=expiry, signature=signature) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"abc"


#: In this order each has what it needs. The last request of each call is the operation.
CALLS: tuple[tuple[str, Callable[[Story], Awaitable[Any]]], ...] = (
    ("account.get", lambda story: story.api.owner.get()),
    ("webhooks.default.secret.get", lambda story: story.api.owner.webhook_secret()),
    ("hardware.list", lambda story: story.api.hardware.list()),
    ("collections.list", lambda story: all_of(story.api.collections.list())),
    ("collections.get", lambda story: story.api.collections.get("text-to-image")),
    ("search", lambda story: story.api.search.everything("flux", limit=2)),
    ("models.list", lambda story: all_of(story.api.models.list(sort_by="model_created_at", direction="asc"))),
    ("models.search", lambda story: all_of(story.api.models.search("flux"))),
    ("models.get", lambda story: story.api.models.get(SCHNELL)),
    ("models.create", lambda story: story.api.models.create(f"{OWNER}/own", hardware="cpu", description="mine")),
    ("models.update", lambda story: story.api.models.update(f"{OWNER}/own", readme="# Own", description="ours")),
    ("models.readme.get", lambda story: story.api.models.readme(f"{OWNER}/own")),
    ("models.versions.list", lambda story: all_of(story.api.versions.list(SCHNELL))),
    ("models.versions.get", get_version),
    ("trainings.create", create_training),
    ("trainings.list", lambda story: all_of(story.api.trainings.list())),
    ("trainings.get", lambda story: story.api.trainings.get(story.left["training"])),
    ("trainings.cancel", lambda story: story.api.trainings.cancel(story.left["training"])),
    ("models.versions.delete", delete_version),
    ("models.delete", delete_model),
    ("deployments.create", deploy),
    ("deployments.list", lambda story: all_of(story.api.deployments.list())),
    ("deployments.get", lambda story: story.api.deployments.get(f"{OWNER}/chat")),
    ("deployments.update", lambda story: story.api.deployments.update(f"{OWNER}/chat", max_instances=1)),
    ("deployments.predictions.create", lambda story: story.api.predictions.create_by_deployment(f"{OWNER}/chat", NEW)),
    ("deployments.delete", lambda story: story.api.deployments.delete(f"{OWNER}/chat")),
    ("predictions.create", create_prediction),
    ("models.predictions.create", lambda story: story.api.predictions.create_by_model(SCHNELL, NEW)),
    ("predictions.get", lambda story: story.api.predictions.get(story.left["prediction"])),
    ("predictions.cancel", lambda story: story.api.predictions.cancel(story.left["prediction"])),
    ("predictions.list", lambda story: all_of(story.api.predictions.list(created_after=datetime.now(UTC)))),
    ("models.examples.list", lambda story: all_of(story.api.models.examples(SCHNELL))),
    ("files.create", upload),
    ("files.list", lambda story: all_of(story.api.files.list())),
    ("files.get", lambda story: story.api.files.get(story.left["file"])),
    ("files.download", download),
    ("files.delete", lambda story: story.api.files.delete(story.left["file"])),
)


async def test_every_operation_keeps_the_contract(world: World) -> None:
    """Each method sends the operation that it stands for; every request and answer is judged on the way."""
    story = Story(world)
    for name, call in CALLS:
        await call(story)
        last = world.witness.requests[-1]
        operation = OPERATIONS[name]
        pattern = re.sub(r"\{\w+\}", "[^/]+", operation.path)
        assert last.method == operation.method, name
        assert re.fullmatch(f"/v1{pattern}", last.url.raw_path.decode().partition("?")[0]), name
        if contract.operations():
            assert world.witness.operations[-1] == name
    assert {name for name, _ in CALLS} == set(OPERATIONS)


def test_the_table_is_the_documents() -> None:
    """Ids, methods and paths; reads are GET or the search, cancels are named so."""
    for operation in OPERATIONS.values():
        reads = operation.method in ("GET", "QUERY")
        cancels = operation.id.endswith(".cancel")
        assert operation.kind == ("read" if reads else "cancel" if cancels else "write")
    if contract.operations():
        ours = {operation.id: (operation.method, operation.path) for operation in OPERATIONS.values()}
        assert ours == {name: row[:2] for name, row in contract.operations().items()}


def rows(title: str) -> list[list[str]]:
    """The rows of the first table below a title of docs/replicate.md, without its head, marks taken off."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in table[2:]]


def test_the_page_names_a_method_for_each_operation() -> None:
    """docs/replicate.md: each operation once, with a method that there is, and its kind."""
    listed = rows("Operations")
    assert [row[0] for row in listed] == list(OPERATIONS)
    api = api_at("http://127.0.0.1:9")
    for name, method, kind in listed:
        found: object = api
        for part in method.split("(")[0].removeprefix("api.").split("."):
            found = getattr(found, part)
        assert callable(found), name
        assert kind == OPERATIONS[name].kind


def test_the_page_shows_what_is_tried_again() -> None:
    """docs/replicate.md has the policy's one table, and its numbers."""
    shown = {row[0]: row[2] for row in rows("What is tried again")}
    assert shown == {
        kind.value: ", ".join(error.__name__ for error in errors) or "never" for kind, errors in TRIED_AGAIN.items()
    }
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"{PAUSES_S[0]:g} s and {PAUSES_S[1]:g} s" in text
    assert f"later than {TRYING_S:g} s" in text


@pytest.mark.skipif(
    not contract.operations(), reason=f"there is no copy of Replicate's OpenAPI document at {contract.DOCUMENT}"
)
async def test_the_contract_can_be_broken(world: World) -> None:
    """The judge sees an unknown key, a wrong type, a missing field, a bad parameter and a wrong answer."""
    caller, wrong = world.api._caller, world.witness.wrong
    for name, places, content in (
        ("predictions.create", (), {"json": {"version": 7, "input": {}, "model": "x"}}),
        ("search", (), {"params": {"query": "x", "limit": 99}}),
        ("deployments.create", (), {"json": {"name": "x"}}),
        ("predictions.get", ("nobody",), {"json": {}}),
    ):
        with pytest.raises(Exception, match="not"):
            await caller.call(name, *places, **content)
    for part in ("unknown key model", "7 is not of type", "99 is greater", "'hardware' is a required", "none is fores"):
        assert any(part in each for each in wrong), part
    wrong.clear()
