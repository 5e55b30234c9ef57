"""The connector as a user of it writes it, rows S1 to S6 of what was asked: models, versions, deployments, uploads.

No test here looks inside: each has the imports, the calls and the ``except`` clauses of a user's own program.
test_guide_runs.py has rows S7 to S16.
"""

import asyncio
from pathlib import Path

import pytest

from shared.adapters.replicate.sdk.connector import ReplicateConnector
from tests.adapters.replicate_api.world import LLAMA, OWNER, TRAINER, World

CHAT = f"{OWNER}/harbour-chat"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder with an adapter as training tools write it."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text('{"r": 16, "lora_alpha": 32}')
    return folder


async def test_s1_a_model_is_created(connector: ReplicateConnector) -> None:
    """S1: owner, name, visibility, hardware and description make a model; its id is owner/name."""
    model_id = await connector.create_model(
        owner=OWNER, name="harbour-chat", visibility="public", hardware="gpu-t4", description="Answers about ships"
    )
    assert model_id == CHAT
    model = await connector.get_model(model_id)
    assert (model["description"], model["latest_version"]) == ("Answers about ships", None)
    with pytest.raises(ValueError, match="visibility must be public or private"):
        await connector.create_model(owner=OWNER, name="other", visibility="secret")
    with pytest.raises(RuntimeError, match="already exists"):
        await connector.create_model(owner=OWNER, name="harbour-chat")


async def test_s2_a_model_is_read_and_deleted(connector: ReplicateConnector) -> None:
    """S2: its name, owner, visibility and hardware; a deletion says whether there was something to delete."""
    await connector.create_model(owner=OWNER, name="harbour-chat", visibility="private", hardware="gpu-l40s")
    model = await connector.get_model(CHAT)
    shown = [model["name"], model["owner"], model["visibility"], model["hardware"]]
    assert shown == ["harbour-chat", OWNER, "private", "gpu-l40s"]
    assert await connector.delete_model(CHAT) is True
    assert await connector.delete_model(CHAT) is False
    with pytest.raises(RuntimeError, match="not found"):
        await connector.get_model(CHAT)


async def test_s2_what_cannot_be_deleted_says_what_to_do(connector: ReplicateConnector) -> None:
    """S2: Replicate keeps public models, and those with versions; its sentence and the steps are in the error."""
    await connector.create_model(owner=OWNER, name="shown", visibility="public", hardware="cpu")
    with pytest.raises(RuntimeError, match=r"Only private models.*delete each version first \(delete_model_version\)"):
        await connector.delete_model(f"{OWNER}/shown")


async def test_s3_a_version_is_made_by_a_trainer(world: World, connector: ReplicateConnector) -> None:
    """S3: with a trainer in the config the call makes the version, waits for it and returns its id."""
    model_id = await connector.create_model(owner=OWNER, name="style", hardware="gpu-t4")
    making = asyncio.create_task(
        connector.create_model_version(
            model_id=model_id,
            version="v1",
            config={
                "base_model": "black-forest-labs/flux-dev",
                "trainer": TRAINER,
                "input": {"input_images": "https://pictures.example/ships.zip", "steps": 100},
            },
        )
    )
    async with asyncio.timeout(20):
        while not making.done():
            world.later(60)
            await asyncio.sleep(0.2)
    version_id = await making
    (version,) = await connector.list_model_versions(model_id)
    assert version["id"] == version_id
    assert version["config"]["version"] == "v1"


async def test_s3_without_a_trainer_the_steps_are_named(connector: ReplicateConnector) -> None:
    """S3: Replicate makes no version from the address of weights; nothing was created, and both ways are named."""
    model_id = await connector.create_model(owner=OWNER, name="harbour-chat")
    with pytest.raises(RuntimeError, match="versions cannot be created over HTTP") as raised:
        await connector.create_model_version(
            model_id=model_id,
            version="v1",
            weights_url="https://weights.example/adapter.safetensors?signature=abc",
            config={"base_model": "meta-llama/Llama-2-7b-hf"},
        )
    text = str(raised.value)
    assert f"cog push r8.im/{CHAT}" in text
    assert '"trainer"' in text
    assert "weights.example" not in text
    assert await connector.list_model_versions(model_id) == []


async def test_s4_versions_are_listed_switched_and_deleted(world: World, connector: ReplicateConnector) -> None:
    """S4: id, time and config of each, the newest first; any of them runs by its id; an old one can be deleted."""
    first, second = world.push(CHAT), world.push(CHAT)
    versions = await connector.list_model_versions(CHAT)
    assert [version["id"] for version in versions] == [second, first]
    for version in versions:
        assert version["created_at"]
        assert version.get("config", {}) == {}  # a push with Cog says nothing of it
    version = await connector.get_model_version(model_id=CHAT, version_id=first)
    assert (version["id"], version["cog_version"]) == (first, "0.16.7")
    old = await connector.inference(model_id=CHAT, version_id=first, prompt="Ahoy")
    new = await connector.inference(model_id=CHAT, prompt="Ahoy")
    assert (old["version"], new["version"]) == (first, second)
    assert await connector.delete_model_version(CHAT, first) is True
    assert await connector.delete_model_version(CHAT, first) is False
    with pytest.raises(RuntimeError, match="not found"):
        await connector.get_model_version(CHAT, first)


async def test_s5_a_model_is_deployed_on_machines_of_ones_own(connector: ReplicateConnector) -> None:
    """S5: a base model that Replicate has becomes a deployment, which ``inference`` runs by the id that it returned."""
    model_id = await connector.deploy_model(
        model_name="harbour-chat", base_model=LLAMA, deployment_config={"owner": OWNER, "hardware": "gpu-l40s"}
    )
    assert model_id == CHAT
    answer = await connector.inference(model_id=model_id, prompt="Ahoy")
    assert answer["status"] == "succeeded"
    (row,) = (await connector.get_usage()).rows
    assert (row.name, row.is_deployment) == (CHAT, True)


async def test_s5_an_adapter_is_uploaded_and_trained_in(
    world: World, connector: ReplicateConnector, adapter: Path
) -> None:
    """S5: with a trainer the model is made, the adapter uploaded, and the version of it runs."""
    deploying = asyncio.create_task(
        connector.deploy_model(
            model_name="harbour-style",
            base_model="black-forest-labs/flux-dev",
            adapter_path=adapter,
            deployment_config={
                "owner": OWNER,
                "visibility": "private",
                "hardware": "gpu-t4",
                "description": "Ships",
                "trainer": TRAINER,
                "weights_input": "input_images",
            },
        )
    )
    async with asyncio.timeout(20):
        while not deploying.done():
            world.later(60)
            await asyncio.sleep(0.2)
    model_id = await deploying
    assert model_id == f"{OWNER}/harbour-style"
    assert (await connector.get_model(model_id))["hardware"] == "gpu-t4"
    (file,) = world.simulator.library.files.values()
    assert (file.name, file.metadata["base_model"]) == ("harbour-style.zip", "black-forest-labs/flux-dev")
    picture = await connector.inference(model_id=model_id, prompt="a ship")
    assert picture["outputs"][0].startswith(("http", "data:image/"))


async def test_s5_an_adapter_without_a_trainer_gets_the_steps(
    world: World, connector: ReplicateConnector, adapter: Path
) -> None:
    """S5: it needs Cog then; the error says how, and neither model nor upload is left behind."""
    with pytest.raises(RuntimeError, match="nothing was created") as raised:
        await connector.deploy_model(
            model_name="my-adapter",
            base_model="meta-llama/Llama-2-7b-hf",
            adapter_path=str(adapter),
            deployment_config={
                "owner": OWNER,
                "visibility": "public",
                "hardware": "gpu-t4",
                "description": "My fine-tuned model",
            },
        )
    for step in ("trainer", "lora_weights", "cog init", "cog.yaml", f"cog push r8.im/{OWNER}/my-adapter"):
        assert step in str(raised.value)
    assert f"{OWNER}/my-adapter" not in world.simulator.library.models
    assert not world.simulator.library.files


async def test_s6_an_artifact_is_uploaded(world: World, connector: ReplicateConnector, adapter: Path) -> None:
    """S6: a folder or a file becomes an address that has the name of the metadata; what is not there is not found."""
    url = await connector.upload_artifact(path=str(adapter), metadata={"name": "test-adapter"})
    assert url.startswith(f"{world.url}/v1/files/")  # https://api.replicate.com at Replicate
    assert "test-adapter" in url
    weights = await connector.upload_artifact(adapter / "adapter_model.safetensors", {"name": "test-adapter"})
    assert weights.endswith("#test-adapter.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no file or folder 'nothing'"):
        await connector.upload_artifact(path="/nowhere/nothing", metadata={"name": "test"})
