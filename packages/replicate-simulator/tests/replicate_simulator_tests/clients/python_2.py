"""The main calls of Replicate's Python client 2.0, the beta; prints what it got as one JSON object."""

import json
import sys

import replicate  # type: ignore[import-not-found]  # its folder is named when this is run
from replicate import Replicate

SCHNELL, LLAMA, OWNER = "black-forest-labs/flux-schnell", "meta/meta-llama-3-8b-instruct", "local"
OWNER_OF, NAME_OF = SCHNELL.split("/")

client = Replicate()
got: dict[str, object] = {"version": replicate.__version__}
(picture,) = client.run(SCHNELL, input={"prompt": "a fox"})
got["picture"] = picture.read()[:4].hex()
got["text"] = "".join(client.run(LLAMA, input={"prompt": "foxes"}))
got["streamed"] = "".join(replicate.use(LLAMA, streaming=True)(prompt="foxes"))
made = client.models.predictions.create(
    model_owner=OWNER_OF, model_name=NAME_OF, input={"prompt": "a fox", "num_outputs": 2}
)
made = client.predictions.wait(made.id)
got["made"] = [made.status, len(made.output), made.metrics.image_output_count]
slow = client.models.predictions.create(model_owner=OWNER_OF, model_name=NAME_OF, input={"prompt": "slow fox"})
client.predictions.cancel(prediction_id=slow.id)
got["canceled"] = client.predictions.get(prediction_id=slow.id).status
got["listed"] = slow.id in [each.id for each in client.predictions.list()]
got["found"] = SCHNELL in [f"{each.owner}/{each.name}" for each in client.models.search(body="flux-schnell")]
model = client.models.get(model_owner=OWNER_OF, model_name=NAME_OF)
got["model"] = [model.owner, bool(model.latest_version)]
got["versions"] = bool(list(client.models.versions.list(model_owner=OWNER_OF, model_name=NAME_OF)))
got["readme"] = SCHNELL in client.models.readme.get(model_owner=OWNER_OF, model_name=NAME_OF)
file = client.files.create(content=("a.txt", b"abc"), filename="a.txt", metadata={"customer": "7"})
got["file"] = [file.size, file.metadata, file.id in [each.id for each in client.files.list()]]
client.files.delete(file_id=file.id)
got["deleted"] = file.id not in [each.id for each in client.files.list()]
got["hardware"] = "cpu" in [each.sku for each in client.hardware.list()]
got["account"] = client.account.get().username
got["collections"] = [each.slug for each in client.collections.list()]
got["secret"] = client.webhooks.default.secret.get().key.startswith("whsec_")
try:
    client.run(SCHNELL, input={"prompt": "a fox", "num_outputs": 99})
except replicate.UnprocessableEntityError as refused:
    got["refused"] = refused.status_code
sys.stdout.write(json.dumps(got))
