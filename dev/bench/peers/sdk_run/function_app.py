"""The official replicate SDK as its README has it: `await client.async_run(...)`, then store the outputs."""

import json
import os

import azure.functions as func
import httpx
import replicate  # type: ignore[import-not-found]  # installed for this benchmark alone
from azure.storage.blob.aio import BlobServiceClient

app = func.FunctionApp()

MODEL = "black-forest-labs/flux-schnell"

client = replicate.Client(
    api_token=os.environ["REPLICATE_API_TOKEN"], base_url=os.environ["REPLICATE_API_URL"].removesuffix("/v1")
)
#: Not the SDK's own FileOutput: it sends the token to any host that serves the output.
downloads = httpx.AsyncClient(timeout=60.0)
blobs = BlobServiceClient.from_connection_string(os.environ["STORAGE_CONNECTION_STRING"])


@app.function_name("generate")
@app.service_bus_queue_trigger("msg", "ServiceBus", "%GENERATION_QUEUE%", data_type=func.DataType.BINARY)
async def generate(msg: func.ServiceBusMessage) -> None:
    """Make one generation, from its message to its picture."""
    job = json.loads(msg.get_body())
    inputs = {"prompt": job["prompt"], "output_format": "png"}
    urls = await client.async_run(MODEL, input=inputs, use_file_output=False)
    picture = await downloads.get(urls[0])
    picture.raise_for_status()
    container = blobs.get_container_client("outputs")
    await container.upload_blob(f"{job['user_id']}/{job['generation_id']}.png", picture.content, overwrite=True)
