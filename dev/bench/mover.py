"""`python -m dev.bench.mover JSON`: moves outputs from Replicate's delivery into a container, and prints the cost.

It moves as Darkroom does (stream, temporary file, one streamed PUT), or as SDK and httpx do (whole, `upload_blob`).
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, BinaryIO, cast

import httpx

from dev.bench import usage
from shared.core.provider.guarantees import REPLICATE
from shared.ports import Limits

#: Moves before the measurement, so that connections are open and modules loaded.
_WARM_UP = 2

#: An output of up to this size is kept in memory, a larger one on disk.
_BUFFER_BYTES = Limits().buffer_bytes

Move = Callable[[str, str], Awaitable[None]]


async def _run(asked: dict[str, Any]) -> None:
    """Move the outputs and print the cost."""
    values: dict[str, str] = asked["values"]
    move = await (_darkroom if asked["mover"] == "darkroom" else _usual)(values)
    uri = await _output(values)
    names = iter(range(asked["count"] + _WARM_UP))
    for _ in range(_WARM_UP):
        await move(uri, f"a/{next(names)}.png")
    usage.mark()
    before = usage.now()

    async def task() -> None:
        for number in names:
            await move(uri, f"a/{number}.png")

    await asyncio.gather(*(task() for _ in range(asked["tasks"])))
    after = usage.now()
    cost = {
        "cpu_ms": (after.cpu_s - before.cpu_s) * 1000 / asked["count"],
        "more_mib": (after.peak_bytes - before.resident_bytes) / 2**20,
    }
    print(json.dumps(cost), flush=True)
    os._exit(0)  # a worker's end closes its clients too, and that is no part of a move


async def _output(values: dict[str, str]) -> str:
    """The URL of a picture of a prediction that is made for it."""
    headers = {"Authorization": f"Bearer {values['REPLICATE_API_TOKEN']}"}
    body = {"input": {"prompt": "a lighthouse", "output_format": "png"}}
    url = f"{values['REPLICATE_API_URL']}/models/black-forest-labs/flux-schnell/predictions"
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        made = (await client.post(url, json=body)).json()
        while not made.get("output"):
            made = (await client.get(f"{values['REPLICATE_API_URL']}/predictions/{made['id']}")).json()
    return str(made["output"][0])


async def _darkroom(values: dict[str, str]) -> Move:
    from shared.composition.app import App  # noqa: PLC0415 - as above
    from shared.config.settings import Settings  # noqa: PLC0415 - the other way must not load it
    from shared.worker.spooled_output import SpooledOutput  # noqa: PLC0415 - as above

    public = {"ServiceBus": "Endpoint=sb://unused", "PUBLIC_URL": "http://127.0.0.1:9"}
    deps = App(Settings.from_env({**values, **public})).deps

    async def move(uri: str, name: str) -> None:
        with SpooledOutput(_BUFFER_BYTES) as buffer:
            file = cast("BinaryIO", buffer)
            async with deps.providers[REPLICATE].fetch(uri, 60_000_000) as chunks:
                async for chunk in chunks:
                    file.write(chunk)
            file.seek(0)
            await deps.outputs.put_output(name, file, "image/png", {})

    return move


async def _usual(values: dict[str, str]) -> Move:
    from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415 - the other way must not load it

    client = httpx.AsyncClient(timeout=60)
    service = BlobServiceClient.from_connection_string(values["STORAGE_CONNECTION_STRING"])
    container = service.get_container_client("outputs")

    async def move(uri: str, name: str) -> None:
        response = await client.get(uri)
        await container.upload_blob(name, response.content, overwrite=True)

    return move


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    usage.pin(request["core"])
    asyncio.run(_run(request))
