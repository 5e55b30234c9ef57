"""FakeReplicate: a Replicate in memory whose predictions a test moves on by hand.

Rules of this file:
1. Nothing happens by itself: a prediction starts, succeeds or dies when the test says so.
2. What was asked is kept (``creates``, ``canceled``, ``fetched``), so that a test can count it.
3. What the real adapter refuses is refused here too; the contract tests hold both to it.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO

from shared.adapters.replicate.failures import failure_of
from shared.core.dependency import Dependency
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt
from shared.core.provider.guarantees import Kind, PredictionRef
from shared.core.provider.prediction import Created, CreateOutcome, Prediction, Status
from shared.core.provider.webhook import Callback, callback_url
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import PredictionEvent
from shared.ports import OutputUnfit, Unavailable

WEBHOOK_URL = "https://darkroom.example/api/webhooks/replicate"
SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DELIVERY = "https://replicate.delivery/"

_CHUNK_BYTES = 64 * 1024

#: The largest file that it takes.
FILE_BYTES = 100 * 1024 * 1024


class FakeReplicate:
    """ports.Provider in memory.

    ``down`` makes everything but ``create`` Unavailable (for a create use ``answer_next_create_with``).
    ``echo_webhook`` and ``show_seed`` decide what the list shows of a prediction. ``unlisted`` holds the ids that
    the list does not show yet, ``unknown`` those that are answered 404, ``blank`` those that are shown without
    their outputs (the two until a time, where there is one). ``files`` are the outputs by URI, streamed in chunks
    of ``chunk_bytes``; those in ``comes_at`` are there from then on.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.down = False
        self.echo_webhook = True
        self.show_seed = True
        self.predictions: dict[str, Prediction] = {}
        self.made_for: dict[str, tuple[Key, Attempt]] = {}
        self.files: dict[str, bytes] = {}
        self.comes_at: dict[str, datetime] = {}
        self.chunk_bytes = _CHUNK_BYTES
        self.unlisted: set[str] = set()
        self.unknown: set[str] = set()
        self.unknown_until: datetime | None = None
        self.blank: set[str] = set()
        self.blank_until: datetime | None = None
        self.creates: list[tuple[Key, Attempt]] = []
        self.canceled: list[str] = []
        self.fetched: list[str] = []
        self.uploaded: dict[str, tuple[str, bytes]] = {}
        self._answers: deque[tuple[CreateOutcome, bool]] = deque()

    # The port.

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """Create a prediction, or answer as the test has asked."""
        self.creates.append((key, attempt))
        answer, really_created = self._answers.popleft() if self._answers else (None, True)
        prediction = self._make(key, attempt) if really_created else None
        if answer is not None:
            return answer
        assert prediction is not None
        return Created(prediction)

    async def get(self, ref: PredictionRef) -> Prediction | None:
        """The prediction as it is now."""
        self._check()
        known = self._known(ref)
        blank = ref.prediction_id in self.blank and self._is_before(self.blank_until)
        return replace(known, outputs=()) if known is not None and blank else known

    async def cancel(self, ref: PredictionRef) -> Prediction | None:
        """Cancel it unless it has finished."""
        self._check()
        prediction, prediction_id = self._known(ref), ref.prediction_id
        if prediction is None:
            return None
        self.canceled.append(prediction_id)
        if prediction.status.finished:
            return prediction
        return self._finish(prediction_id, Status.CANCELED)

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Keep the file, and say where it is."""
        self._check()
        content = file.read()
        if not 0 < len(content) <= FILE_BYTES:
            raise OutputUnfit(Refusal.of(Reason.INPUT_INVALID))
        address = f"https://api.replicate.com/v1/files/file{len(self.uploaded) + 1:022d}"
        self.uploaded[address] = (name, content)
        return address

    async def recent(self, since: datetime, kind: Kind = Kind.PREDICTION) -> AsyncIterator[Prediction]:
        """What was created after ``since``, newest first, without what the list does not show yet."""
        self._check()
        for prediction in reversed(list(self.predictions.values())):
            if prediction.prediction_id in self.unlisted or (prediction.created_at or since) < since:
                continue
            if self.made_for[prediction.prediction_id][1].kind is not kind:
                continue
            yield prediction

    @asynccontextmanager
    async def fetch(self, uri: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream one of ``files``."""
        self._check()
        self.fetched.append(uri)
        if not uri.startswith((DELIVERY, "data:")):
            raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
        late = self.comes_at.get(uri)
        if uri not in self.files or (late is not None and self.now() < late):
            raise OutputUnfit(Refusal.of(Reason.OUTPUT_EXPIRED))
        body = self.files[uri]
        if len(body) > most_bytes:
            raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID))
        yield _chunks(body, self.chunk_bytes)

    async def account(self) -> dict[str, str]:
        """The adapter's own health call: whose token it is."""
        self._check()
        return {"username": "made-up", "type": "user"}

    def _known(self, ref: PredictionRef) -> Prediction | None:
        """Predictions and trainings are asked for at different addresses."""
        prediction_id, made_for = ref.prediction_id, self.made_for.get(ref.prediction_id)
        unknown = prediction_id in self.unknown and self._is_before(self.unknown_until)
        if unknown or (made_for is not None and made_for[1].kind is not ref.kind):
            return None
        return self.predictions.get(prediction_id)

    def _is_before(self, until: datetime | None) -> bool:
        return until is None or self.now() < until

    def _check(self) -> None:
        if self.down:
            raise Unavailable(Dependency.REPLICATE, "the test has taken it down")

    # What a test does.

    def answer_next_create_with(self, outcome: CreateOutcome, *, really_created: bool = False) -> None:
        """Answer the next create so; ``really_created``: the prediction exists all the same, its answer was lost."""
        self._answers.append((outcome, really_created))

    def start(self, prediction_id: str) -> Prediction:
        """It is processing now."""
        return self._set(replace(self.predictions[prediction_id], status=Status.PROCESSING))

    def succeed(self, prediction_id: str, outputs: list[bytes] | None = None) -> Prediction:
        """It succeeds with these files (default: one that is no picture; give real ones where they are looked at)."""
        contents = [b"an output"] if outputs is None else outputs
        uris = [f"{DELIVERY}{prediction_id}/out-{index}.png" for index in range(len(contents))]
        self.files.update(zip(uris, contents, strict=True))
        return self._finish(prediction_id, Status.SUCCEEDED, outputs=tuple(uris))

    def say(self, prediction_id: str, *chunks: str) -> Prediction:
        """It succeeds with a text, in these chunks."""
        return self._finish(prediction_id, Status.SUCCEEDED, outputs=chunks)

    def train(self, prediction_id: str, weights: bytes | None = None) -> Prediction:
        """A training succeeds: its destination has a new version, and there are weights or not."""
        version = f"{self.made_for[prediction_id][1].destination}:{'0123456789abcdef' * 4}"
        uri = f"{DELIVERY}{prediction_id}/trained_model.tar"
        if weights is not None:
            self.files[uri] = weights
        return self._finish(
            prediction_id, Status.SUCCEEDED, outputs=(version, uri) if weights is not None else (version,)
        )

    def fail(self, prediction_id: str, error: str) -> Prediction:
        """It fails with this error text."""
        failed = self._finish(prediction_id, Status.FAILED, error=error)
        return self._set(replace(failed, failure=failure_of(error)))

    def cancel_by_deadline(self, prediction_id: str) -> Prediction:
        """It ran into its ``Cancel-After`` while running."""
        return self._finish(prediction_id, Status.CANCELED)

    def abort(self, prediction_id: str) -> Prediction:
        """It ran into its ``Cancel-After`` before it started."""
        return self._finish(prediction_id, Status.ABORTED)

    def keep_deadlines(self, output_life_s: float = 3600) -> None:
        """What Replicate does by the clock: ``Cancel-After`` is over, or a finished prediction's hour is.

        Of what promises no end, such as a training, neither is kept.
        """
        for prediction_id, prediction in list(self.predictions.items()):
            _, attempt = self.made_for[prediction_id]
            if not attempt.guarantees.cancel_after:
                continue
            since = prediction.completed_at or prediction.created_at or self.now()
            passed_s = (self.now() - since).total_seconds()
            if prediction.status.finished:
                if passed_s >= output_life_s and not prediction.data_removed:
                    self.delete_outputs(prediction_id)
            elif passed_s >= attempt.cancel_after_s:
                started = prediction.status is not Status.STARTING
                self._finish(prediction_id, Status.CANCELED if started else Status.ABORTED)

    def delete_outputs(self, prediction_id: str) -> Prediction:
        """The hour is over: outputs, input and logs are gone, the prediction itself is still known."""
        prediction = self.predictions[prediction_id]
        for uri in prediction.outputs:
            self.files.pop(uri, None)
        return self._set(replace(prediction, outputs=(), seed=None, data_removed=True))

    def forget(self, prediction_id: str) -> None:
        """Replicate does not know it any more."""
        del self.predictions[prediction_id]

    def event(self, prediction_id: str) -> PredictionEvent:
        """The message that the webhook trigger would make of the prediction as it is now."""
        key, attempt = self.made_for[prediction_id]
        return PredictionEvent(key, attempt.number, self.predictions[prediction_id])

    def ids(self) -> list[str]:
        """The ids of all predictions that were really made, oldest first."""
        return list(self.made_for)

    @property
    def only_id(self) -> str:
        """The id of the one prediction there is."""
        (prediction_id,) = self.made_for
        return prediction_id

    @property
    def running(self) -> list[Prediction]:
        """The predictions that would still cost something."""
        return [prediction for prediction in self.predictions.values() if not prediction.status.finished]

    def _make(self, key: Key, attempt: Attempt) -> Prediction:
        prediction_id = f"prediction{len(self.made_for) + 1:016d}"  # 26 characters, as Replicate's
        self.made_for[prediction_id] = (key, attempt)
        callback = Callback(key, attempt.number)
        seed = attempt.inputs.get("seed")
        return self._set(
            Prediction(
                prediction_id=prediction_id,
                status=Status.STARTING,
                model=attempt.target.partition(":")[0],
                webhook=callback_url(WEBHOOK_URL, callback, SIGNING_SECRET) if self.echo_webhook else "",
                seed=seed if isinstance(seed, int) and self.show_seed else None,
                created_at=self.now(),
            )
        )

    def _finish(self, prediction_id: str, status: Status, outputs: tuple[str, ...] = (), error: str = "") -> Prediction:
        prediction = self.predictions[prediction_id]
        assert not prediction.status.finished, "a finished prediction does not change"
        return self._set(replace(prediction, status=status, outputs=outputs, error=error, completed_at=self.now()))

    def _set(self, prediction: Prediction) -> Prediction:
        self.predictions[prediction.prediction_id] = prediction
        return prediction


async def _chunks(body: bytes, chunk_bytes: int) -> AsyncIterator[bytes]:
    for chunk in _cut(body, chunk_bytes):
        yield chunk


def _cut(body: bytes, chunk_bytes: int) -> Iterator[bytes]:
    for start in range(0, len(body), chunk_bytes):
        yield body[start : start + chunk_bytes]
