"""The main calls of Replicate's Python client 1.0; prints what it got as one JSON object."""

import io
import json
import sys

import replicate  # type: ignore[import-not-found]  # its folder is named when this is run
from replicate.__about__ import __version__  # type: ignore[import-not-found]

SCHNELL, LLAMA, OWNER = "black-forest-labs/flux-schnell", "meta/meta-llama-3-8b-instruct", "local"

got: dict[str, object] = {"version": __version__}
(picture,) = replicate.run(SCHNELL, input={"prompt": "a fox"})
got["picture"] = picture.read()[:4].hex()
got["text"] = "".join(replicate.run(LLAMA, input={"prompt": "foxes"}))
got["streamed"] = "".join(str(event) for event in replicate.stream(LLAMA, input={"prompt": "foxes"}))
made = replicate.models.predictions.create(SCHNELL, input={"prompt": "a fox", "num_outputs": 2})
made.wait()
got["made"] = [made.status, len(made.output), made.metrics["image_output_count"]]
slow = replicate.models.predictions.create(SCHNELL, input={"prompt": "slow fox"})
slow.cancel()
got["canceled"] = replicate.predictions.get(slow.id).status
got["listed"] = slow.id in [each.id for each in replicate.predictions.list()]
got["found"] = SCHNELL in [f"{each.owner}/{each.name}" for each in replicate.models.search("flux-schnell")]
model = replicate.models.get(SCHNELL)
got["model"] = [model.owner, bool(model.latest_version and model.latest_version.openapi_schema)]
got["versions"] = bool(list(model.versions.list()))
file = replicate.files.create(io.BytesIO(b"abc"), filename="a.txt", metadata={"customer": "7"})
got["file"] = [file.size, file.metadata, file.id in [each.id for each in replicate.files.list()]]
got["deleted"] = replicate.files.delete(file.id)
got["hardware"] = "cpu" in [each.sku for each in replicate.hardware.list()]
got["account"] = replicate.default_client.accounts.current().username
got["collections"] = [each.slug for each in replicate.collections.list()]
got["secret"] = replicate.webhooks.default.secret().key.startswith("whsec_")
try:
    replicate.run(SCHNELL, input={"prompt": "a fox", "num_outputs": 99})
except replicate.exceptions.ReplicateError as refused:
    got["refused"] = refused.status
sys.stdout.write(json.dumps(got))
