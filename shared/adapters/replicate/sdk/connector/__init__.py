"""The connector: Replicate in the verbs that an app or a script needs, on top of the whole API.

    connector = ReplicateConnector()
    await connector.connect({"api_token": "r8_..."})
    answer = await connector.inference("meta/meta-llama-3-8b-instruct", "Hello", {"max_tokens": 64})
    print(answer["text"], answer["latency_ms"])
    await connector.disconnect()

``async with ReplicateConnector({"api_token": ...}) as connector`` connects and disconnects by itself.

session.py       connect, verify_connection, health_check, disconnect
models.py        create_model, get_model, delete_model
versions.py      list_model_versions, get_model_version, delete_model_version, create_model_version, train
deploying.py     deploy_model
artifacts.py     upload_artifact, download_image
targets.py       what a model's name runs: its official model, its version, its deployment
predictions.py   create_prediction, get_prediction, wait_for_prediction, cancel_prediction
inference.py     inference, stream
resources.py     list_resources, get_pricing
usage.py         get_usage
results.py       what these verbs return

Rules of this folder:
1. Before ``connect`` every verb raises NotConnectedError, and nothing is sent. ``get_pricing`` alone needs no
   connection, because prices are data of this library.
2. Nothing is created twice. A create is sent once, and a lost answer raises OutcomeUnknownError.
3. A time-out bounds the whole verb, even if the server never answers. The cancel after it may take a little more: four
   tenths of the time-out, at least 0.3 s, at most 5 s. The error has the prediction's id, or says for how long one may
   run on. It is never an empty answer.
4. What Replicate cannot do raises NotOfferedError before anything is created, and says what to do instead.
"""

from shared.adapters.replicate.sdk.connector.deploying import Deploying
from shared.adapters.replicate.sdk.connector.inference import Inferring
from shared.adapters.replicate.sdk.connector.resources import Resources
from shared.adapters.replicate.sdk.connector.usage import Usages

__all__ = ["ReplicateConnector"]


class ReplicateConnector(Deploying, Inferring, Resources, Usages):
    """Replicate for one account, which ``connect`` names by its token. Each base class has the verbs of one subject."""
