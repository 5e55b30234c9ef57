"""The FLUX guide's worker: in one call it creates a prediction, polls it until its end, and stores its picture."""

import asyncio
import json
import os

import azure.functions as func
import httpx
from azure.storage.blob.aio import BlobServiceClient

app = func.FunctionApp()

#: The guide's times: the first poll after a second, then one every half second, for five minutes.
FIRST_LOOK_S, EVERY_S, LOOKS = 1.0, 0.5, 600

client = httpx.AsyncClient(timeout=60.0, limits=httpx.Limits(max_connections=10, max_keepalive_connections=5))
blobs = BlobServiceClient.from_connection_string(os.environ["STORAGE_CONNECTION_STRING"])


@app.function_name("generate")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%GENERATION_QUEUE%", data_type=func.DataType.BINARY)
async def generate(msg: func.ServiceBusMessage) -> None:
    """Make one generation, from its message to its picture."""
    job = json.loads(msg.get_body())
    headers = {"Authorization": f"Bearer {os.environ['REPLICATE_API_TOKEN']}"}
    api = os.environ["REPLICATE_API_URL"]
    inputs = {"prompt": job["prompt"], "output_format": "png"}
    created = await client.post(
        f"{api}/models/black-forest-labs/flux-schnell/predictions", json={"input": inputs}, headers=headers
    )
    created.raise_for_status()
    prediction = created.json()
    await asyncio.sleep(FIRST_LOOK_S)
    for _ in range(LOOKS):
        looked = await client.get(f"{api}/predictions/{prediction['id']}", headers=headers)
        looked.raise_for_status()
        prediction = looked.json()
        if prediction["status"] in ("succeeded", "failed", "canceled", "aborted"):
            break
        await asyncio.sleep(EVERY_S)
    if prediction["status"] != "succeeded":
        raise RuntimeError(prediction["status"])
    picture = await client.get(prediction["output"][0])
    picture.raise_for_status()
    container = blobs.get_container_client("outputs")
    await container.upload_blob(f"{job['user_id']}/{job['generation_id']}.png", picture.content, overwrite=True)
