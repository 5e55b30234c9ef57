"""All that the corridor needs from outside, on one page: House, its Protocols, and the errors they share.

Rules of this file:
1. A port speaks our own words (core types); a vendor's model or exception never comes through it.
2. What is expected is returned. Only three things are raised, each with one meaning for the caller:

       Unavailable   a dependency cannot do it now: try the whole message again later
       Conflict      somebody else saved first: load and decide again
       OutputUnfit   this output will never be usable: its Refusal says why

3. Every outside effect of the corridor goes through here, so that a test can crash it before, after, or between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol

from shared.core.catalog.catalog import Catalog
from shared.core.events.generation_event import Event
from shared.core.keys import Key
from shared.core.lifecycle.attempt import Attempt, Timing
from shared.core.lifecycle.generation import Generation, Transition
from shared.core.money.ledger import Account, LedgerEntry, Plan
from shared.core.provider.prediction import CreateOutcome, Prediction
from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import CancelRequest, Check, GenerationRequest, PredictionEvent
from shared.core.safety.moderation import Assessment, Policy


class Unavailable(Exception):  # noqa: N818  # it names a state of the dependency, and reads so where it is caught
    """A dependency is down, busy, or answers what cannot be read. ``retry_after_s`` is its own hint, if it gave one."""

    def __init__(self, dependency: str, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{dependency} is not available: {why}")
        self.dependency = dependency
        self.why = why
        self.retry_after_s = retry_after_s


class Conflict(Exception):  # noqa: N818  # as above
    """Somebody else saved the generation or the account since it was loaded."""


class UnreadableRow(Exception):  # noqa: N818  # as above
    """A row that this version cannot read. The text names the row and the column, never what is in it."""

    def __init__(self, text: str, user_id: str = "") -> None:
        super().__init__(text)
        self.user_id = user_id


class OutputUnfit(Exception):  # noqa: N818  # as above
    """An output that is gone, too large, or not what it should be."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class PictureUnfit(OutputUnfit):
    """A picture that is what it says, and is not taken. ``why`` is a sentence for its user: it names the bound."""

    def __init__(self, why: str) -> None:
        super().__init__(Refusal(Reason.OUTPUT_INVALID, f"The result cannot be used. {why} Nothing was charged."))
        self.why = why


class CutShort(OutputUnfit):
    """An output that should be longer, by what is in it: fetched again it may be whole."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A user's account and one generation as they were read together with their ETags; None where there is none."""

    account: Account | None
    account_etag: str
    generation: Generation | None
    generation_etag: str


class Store(Protocol):
    """The state: one partition per user with account, generations and ledger."""

    async def load(self, key: Key) -> Loaded:
        """Read the generation and its user's account."""

    async def load_account(self, user_id: str) -> tuple[Account | None, str]:
        """Read one account and its ETag."""

    async def commit(self, loaded: Loaded, transition: Transition) -> Loaded:
        """Save a transition in one transaction, on the condition that nothing changed since ``loaded``.

        A generation or a ledger entry that exists already is a Conflict too, unless it is this very write.
        """

    async def post(self, account: Account, etag: str, entry: LedgerEntry) -> bool:
        """Save a grant, a correction or other terms with the account. False if this entry id was posted before."""

    def ledger(self, user_id: str) -> AsyncIterator[LedgerEntry]:
        """All ledger entries of one account."""

    def accounts(self) -> AsyncIterator[Account | UnreadableRow]:
        """All accounts; in place of one that cannot be read, what says so."""

    def generations(self, user_id: str) -> AsyncIterator[Generation]:
        """All generations of one user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRow:
    """One generation that is not finished and announced.

    ``due_at`` is when the timer should look at it, ``expires_at`` when something of it is lost for good,
    ``written_at`` when the row was first written.
    """

    key: Key
    due_at: datetime
    expires_at: datetime
    written_at: datetime


class OpenIndex(Protocol):
    """The open index: written before a generation opens, removed after its event was published."""

    async def put(self, row: OpenRow) -> None:
        """Write the row, or overwrite it."""

    async def move(self, key: Key, due_at: datetime) -> None:
        """Change ``due_at`` of a row that is there; nothing where there is none (it must not come back to life)."""

    async def get(self, key: Key) -> OpenRow | None:
        """Read one row."""

    async def remove(self, key: Key) -> None:
        """Remove the row; nothing where there is none."""

    async def due(self, now: datetime, limit: int) -> Sequence[OpenRow]:
        """At most ``limit`` rows with ``due_at`` up to ``now``, what expires first at the front."""


class Provider(Protocol):
    """Replicate."""

    async def create(self, key: Key, attempt: Attempt) -> CreateOutcome:
        """POST the attempt's prediction, or training, once, with its webhook address and ``Cancel-After``."""

    async def get(self, prediction_id: str, *, training: bool = False) -> Prediction | None:
        """The prediction, or the training, as it is now; None if Replicate does not know it."""

    async def cancel(self, prediction_id: str, *, training: bool = False) -> Prediction | None:
        """Cancel it, if it still runs, and say how it stands; None if Replicate does not know it."""

    def recent(self, since: datetime, *, training: bool = False) -> AsyncIterator[Prediction]:
        """The account's predictions, or its trainings, created after ``since``, newest first."""

    async def upload(self, name: str, file: BinaryIO) -> str:
        """Give Replicate a file for a day; returns its address, for an input. OutputUnfit if it is too large."""

    def fetch(self, uri: str, most_bytes: int) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream one output. OutputUnfit if it is gone, larger than ``most_bytes``, or not at Replicate's own host."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What an image file is, by its bytes and not by its name."""

    content_type: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What cleaning a picture came to; nothing was written where ``dropped``, the names of what went, is empty.

    ``manifest`` is the manifest of provenance (C2PA) that came with it, without the pictures in it; ``provenance`` says
    what came of validating it.
    """

    dropped: tuple[str, ...] = ()
    manifest: bytes = b""
    provenance: str = ""


class Images(Protocol):
    """Looking at image files."""

    async def clean(self, file: BinaryIO, into: BinaryIO, *, validate: bool = False) -> Cleaned:
        """Write the picture without what a viewer does not need, unless there is nothing else in the file.

        ``validate``: look into a manifest of provenance. PictureUnfit if it is an animation, OutputUnfit if it is no
        sound picture, CutShort if it ends early.
        """

    async def is_black(self, file: BinaryIO, picture: Picture) -> bool:
        """Whether all of it is black; what cannot be decoded is not."""

    async def inspect(self, file: BinaryIO) -> Picture | None:
        """What the file is, or None if it is no image that can be shown. PictureUnfit if it is beyond a bound."""

    async def for_screening(self, file: BinaryIO, picture: Picture) -> bytes:
        """The image as its users see it, within the screener's limits. OutputUnfit if it cannot be decoded."""

    def alone(self) -> "Images":
        """The same, with each picture decoded in a process of its own that may die without this one."""


class Screener(Protocol):
    """Content safety. Whatever is not a whole, readable verdict is Unavailable, never "allowed"."""

    async def text(self, text: str, plan: Plan = Plan.FREE) -> Assessment:
        """What all screeners together say of a text, for the policy of a plan."""

    async def image(self, image: bytes, plan: Plan = Plan.FREE) -> Assessment:
        """The same of an image of at most 4 MB and 7200 px."""


class Inputs(Protocol):
    """Files that users name by address."""

    async def get(self, url: str) -> bytes | Refusal:
        """The bytes at a public https address, within bounds of time and size; or why not."""


class Blobs(Protocol):
    """The containers: outputs, inputs, what was refused, and the archive of dead letters."""

    async def put_output(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> str:
        """Store an output under its name, overwriting what an earlier try left; returns the container."""

    async def discard_outputs(self, prefix: str) -> int:
        """Delete every output whose name begins with ``prefix``. Returns how many may not be deleted: leased, held."""

    async def put_input(self, name: str, content: bytes, content_type: str) -> None:
        """Store an input that was screened, where no user reaches it."""

    async def input_address(self, name: str, life_s: int, inline_bytes: int) -> str | None:
        """Where a model can read an input for ``life_s`` seconds, or None where it is gone.

        Up to ``inline_bytes`` the address is the input (a data URI), beyond it is one with a signature.
        """

    async def read_input(self, name: str, file: BinaryIO) -> bool:
        """Write an input that was screened into ``file``; False where it is gone."""

    async def upload_size(self, name: str) -> int | None:
        """How many bytes a file has that the app has put into its uploads; None where there is none."""

    async def read_upload(self, name: str, file: BinaryIO) -> bool:
        """Write an upload into ``file``; False where there is none any more."""

    async def upload_address(self, name: str, life_s: int) -> str | None:
        """Where a model can read an upload for ``life_s`` seconds; None where it is gone."""

    async def discard_inputs(self, prefix: str) -> int:
        """Delete every input whose name begins with ``prefix``. Returns how many may not be deleted."""

    async def quarantine(self, name: str, file: BinaryIO, content_type: str, metadata: Mapping[str, str]) -> None:
        """Keep an output that was refused, where no user reaches it."""

    async def sweep(self, *, inputs_before: datetime, quarantine_before: datetime) -> int:
        """Delete the inputs and the refused outputs that were stored before; returns how many there were."""

    async def archive(self, name: str, raw: bytes, metadata: Mapping[str, str]) -> None:
        """Keep a raw message in the dead-letters container."""


Sendable = GenerationRequest | CancelRequest | PredictionEvent | Check


@dataclass(frozen=True, slots=True)
class Envelope:
    """What travels with a message beside its body.

    ``message_id`` is what the broker recognises a duplicate by. ``deferrals`` counts how often the message was put
    off, ``since`` is when it was first put off (None: never). ``lost`` counts the deliveries, of it and of what it is
    a copy of, that came to no end: a worker died, or failed as nobody expected. ``enqueued_at`` is the broker's own
    word, and the same in every delivery of one message; None on what is sent.
    """

    message_id: str
    deferrals: int = 0
    since: datetime | None = None
    lost: int = 0
    enqueued_at: datetime | None = None

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy that was put off, and not what an app has sent."""
        return self.deferrals > 0 or self.since is not None


class Messenger(Protocol):
    """Service Bus, the sending side. A message goes to the queue of its type."""

    async def send(self, message: Sendable, envelope: Envelope, at: datetime | None = None) -> None:
        """Send now, or schedule for ``at``."""

    async def publish(self, event: Event, again: str = "") -> None:
        """Publish an event on the topic, under its own stable id.

        ``again`` names the occasion on which it is told once more, or the broker would drop it as a duplicate.
        """


class Telemetry(Protocol):
    """Steps and counts, by name and id; never a prompt, a secret or a URL."""

    def step(self, name: str, key: Key, **facts: str | int) -> None:
        """Something happened to a generation."""

    def count(self, metric: str, value: float = 1, **labels: str) -> None:
        """Something to be counted or measured."""

    def span(self, name: str, key: Key | None = None) -> AbstractContextManager[None]:
        """Time what happens inside."""

    def trace_parent(self) -> str:
        """The W3C traceparent of the running span, to be kept with a generation; empty where nothing is traced."""

    def follow(self, trace_parent: str) -> None:
        """Link the running span to the trace in which a generation was opened; nothing for an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the corridor, from settings."""

    request_queue: str = "generation-requests"
    output_bytes: int = 50 * 1024 * 1024
    #: A picture is 1.5 MB and stays in memory; 64 larger outputs at once must not need 500 MiB before they go to disk.
    buffer_bytes: int = 2 * 1024 * 1024
    #: How long a request that cannot even be opened (safety or storage down) is put off before it is given up.
    patience_s: int = 6 * 3600
    #: An input up to this size goes into the request itself: Replicate's own advice for data URIs.
    inline_bytes: int = 256 * 1024
    #: The largest upload that goes to a model: Replicate takes files of 100 MiB.
    upload_bytes: int = 100 * 1024 * 1024
    #: Whether files go to the provider's own store: it cannot read from storage whose network is closed.
    hand_files_over: bool = False
    #: How long refused outputs are kept for an appeal; 0: not at all.
    quarantine_days: int = 0


#: Outputs that one worker holds at a time, so that its memory is bounded whatever is handed to it at once: for 1,000 at
#: once of 1.5 MB each it needed 327 to 424 MiB, with this bound 140 to 147. As many as host.json hands over.
OUTPUTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """Everything from outside. Clock, seeds and sleep are arguments too, so that a test owns time and chance."""

    store: Store
    index: OpenIndex
    provider: Provider
    images: Images
    screener: Screener
    inputs: Inputs
    blobs: Blobs
    messenger: Messenger
    telemetry: Telemetry
    catalog: Catalog
    policy: Policy
    timing: Timing
    limits: Limits
    #: Keys the digests in the records of verdicts; without one there are no digests.
    digest_key: bytes = field(default=b"", repr=False)
    now: Callable[[], datetime]
    new_seed: Callable[[], int]
    #: A number from 0 to 1, for jitter.
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    #: The message that is worked on was lost so often that a picture of it may have ended workers.
    wary: bool = False
    #: To be had while an output is held.
    outputs_at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OUTPUTS_AT_ONCE))
