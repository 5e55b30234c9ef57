"""All dependencies together, with the bounds from settings."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.core.catalog.catalog import Catalog
from shared.core.lifecycle.attempt import Timing
from shared.core.provider.guarantees import ProviderName
from shared.core.safety.moderation import Policy
from shared.ports.files import DeadLetters, InputFiles, Inputs, Outputs, Quarantine, Uploads
from shared.ports.messages import Messenger
from shared.ports.pictures import Images
from shared.ports.provider import Provider
from shared.ports.safety import Screener
from shared.ports.state import OpenIndex, Store
from shared.ports.telemetry import Telemetry


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
    #: By name: an attempt is asked for where it was made.
    providers: Mapping[ProviderName, Provider]
    images: Images
    screener: Screener
    inputs: Inputs
    outputs: Outputs
    input_files: InputFiles
    uploads: Uploads
    quarantine: Quarantine
    dead_letters: DeadLetters
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
