"""The lives of predictions in the simulation: they start, end, and may send a webhook."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from dev.fakes.provider import FakeReplicate
from dev.fakes.screener import UNSAFE_IMAGE
from dev.simulation.clockwork import Clockwork
from dev.simulation.weather import Weather
from shared.core.provider.prediction import Status
from shared.core.requests.messages import PredictionEvent

ERRORS = (
    "Prediction interrupted; please retry (code: PA)",
    "list index out of range",
    "NSFW content detected.",
    "ValueError: width must be a multiple of 8",
)

#: Replicate deletes outputs an hour after the prediction finished.
OUTPUT_LIFE_S = 3600


class ReplicateLife:
    """Advances the predictions of a FakeReplicate. ``send`` enqueues a webhook's message."""

    def __init__(self, clock: Clockwork, weather: Weather, send: Callable[[PredictionEvent], None]) -> None:
        self.clock = clock
        self.weather = weather
        self.send = send
        self.replicate: FakeReplicate = clock.world.replicate
        # Replicate's clock differs from ours by up to five minutes.
        skew = timedelta(seconds=weather.between(-300, 300))
        self.replicate.now = lambda: clock.world.now() + skew
        self.replicate.echo_webhook = weather.random.random() < 0.5
        self.replicate.show_seed = weather.random.random() < 0.8

    def born(self, prediction_id: str) -> None:
        """Plan the life of a new prediction."""
        weather, plan = self.weather, self.clock.plan
        _, attempt = self.replicate.made_for[prediction_id]
        if weather.strikes("list_lags"):
            self.replicate.unlisted.add(prediction_id)
            plan(weather.between(5, 300), lambda: self.replicate.unlisted.discard(prediction_id))
        if weather.strikes("not_known"):
            self.replicate.unknown.add(prediction_id)
            plan(weather.between(5, 300), lambda: self.replicate.unknown.discard(prediction_id))
        starts_s = weather.between(0.1, 10)
        plan(starts_s, lambda: self._start(prediction_id))
        if not weather.strikes("sticks"):
            plan(starts_s + weather.between(0.2, 3) * attempt.expected_s, lambda: self._end(prediction_id))
        plan(attempt.cancel_after_s, lambda: self._deadline(prediction_id))

    def canceled(self, prediction_id: str) -> None:
        """Handle our cancel: Replicate sends a webhook for it."""
        self._send_webhook(prediction_id)

    def _runs(self, prediction_id: str) -> bool:
        return not self.replicate.predictions[prediction_id].status.finished

    def _start(self, prediction_id: str) -> None:
        if self._runs(prediction_id):
            self.replicate.start(prediction_id)
            self._send_webhook(prediction_id)

    def _end(self, prediction_id: str) -> None:
        if not self._runs(prediction_id):
            return
        _, attempt = self.replicate.made_for[prediction_id]
        kind = self.weather.random.random()
        if kind < 0.15:
            self.replicate.fail(prediction_id, self.weather.one_of(ERRORS))
        else:
            count = attempt.outputs if kind < 0.8 else self.weather.random.randint(0, attempt.outputs)
            self.replicate.succeed(prediction_id, [self._image(prediction_id, index) for index in range(count)])
            self.clock.plan(OUTPUT_LIFE_S, self.replicate.keep_deadlines)
            if self.weather.strikes("output_late"):
                self._comes_late(prediction_id)
            if self.weather.strikes("expires_early"):
                self.clock.plan(self.weather.between(0, 60), lambda: self._expire(prediction_id))
        self._send_webhook(prediction_id)

    def _image(self, prediction_id: str, index: int) -> bytes:
        unsafe = self.weather.random.random() < 0.05
        return f"image {index} of {prediction_id}".encode() + (UNSAFE_IMAGE if unsafe else b"")

    def _comes_late(self, prediction_id: str) -> None:
        """Make one of its outputs available late."""
        uris = self.replicate.predictions[prediction_id].outputs
        if uris:
            late = timedelta(seconds=self.weather.between(1, 240))
            self.replicate.comes_at[self.weather.one_of(uris)] = self.replicate.now() + late

    def _expire(self, prediction_id: str) -> None:
        """Delete one of its outputs early."""
        uris = self.replicate.predictions[prediction_id].outputs
        if uris:
            self.replicate.files.pop(self.weather.one_of(uris), None)

    def _deadline(self, prediction_id: str) -> None:
        """End a prediction whose ``Cancel-After`` has passed."""
        if self._runs(prediction_id):
            started = self.replicate.predictions[prediction_id].status is not Status.STARTING
            (self.replicate.cancel_by_deadline if started else self.replicate.abort)(prediction_id)
            self._send_webhook(prediction_id)

    def _send_webhook(self, prediction_id: str) -> None:
        """Send a webhook with the current state. It may be lost, late, or sent twice."""
        weather = self.weather
        event = self.replicate.event(prediction_id)
        if event.prediction.outputs and weather.strikes("webhook_empty"):
            complete = weather.random.random() < 0.5
            event = replace(event, prediction=replace(event.prediction, outputs=(), complete=complete))
        if weather.strikes("webhook_lost"):
            return
        for _ in range(2 if weather.strikes("webhook_doubled") else 1):
            late = weather.strikes("webhook_late")
            self.clock.plan(weather.between(30, 900) if late else weather.between(0.05, 2), lambda: self.send(event))
