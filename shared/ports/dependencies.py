"""All dependencies of the message handler, with its bounds from settings."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.core.catalog.catalog import Catalog
from shared.core.lifecycle.attempt import Timing
from shared.core.money.plans import Plans
from shared.core.provider.guarantees import ProviderName
from shared.core.safety.moderation import Policy
from shared.ports.app_windows import AppUse, AppWindows
from shared.ports.archives import Archives
from shared.ports.commands import Commands
from shared.ports.destinations import Destinations
from shared.ports.files import DeadLetters, InputFiles, Inputs, Outputs, Quarantine, Uploads
from shared.ports.messages import Messenger
from shared.ports.moved import MovedAccounts, Nights, NotedToday
from shared.ports.pending import PendingMoves
from shared.ports.pictures import Images
from shared.ports.proofs import Proofs, Signer
from shared.ports.provider import Provider
from shared.ports.safety import Screener
from shared.ports.state import OpenIndex, Store
from shared.ports.switches import RecentSwitches, SwitchBoard
from shared.ports.telemetry import Telemetry
from shared.ports.turns import PaceNow, RecentTurns, WaitingList


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the message handler, from settings."""

    request_queue: str = "generation-requests"
    output_bytes: int = 50 * 1024 * 1024
    #: An output up to this size stays in memory, as an image of 1.5 MB does. A larger one goes to disk:
    #: 64 of them at once must not need 500 MiB of memory.
    buffer_bytes: int = 2 * 1024 * 1024
    #: How long a request that cannot be opened (safety or storage is down) is deferred before it is given up.
    patience_s: int = 6 * 3600
    #: How long a generation waits for an approval before it is rejected.
    approve_within_s: int = 3 * 86400
    #: An input up to this size is sent as a data URI, as Replicate's docs advise.
    inline_bytes: int = 256 * 1024
    #: The largest upload for a model: Replicate accepts files of up to 100 MiB.
    upload_bytes: int = 100 * 1024 * 1024
    #: Whether input files are uploaded to the provider, which cannot read from storage with a closed network.
    hand_files_over: bool = False
    #: How long refused outputs are kept for an appeal; 0 means not at all.
    quarantine_days: int = 0
    #: The longest that a pause lasts after its command, if it is not renewed.
    longest_pause_s: int = 7 * 24 * 3600
    #: How many generations of the whole app may be in flight. None: no bound.
    in_flight_most: int | None = None


#: Outputs that one worker holds at a time, so that its memory is bounded. With 1,000 outputs of 1.5 MB at once it
#: needed 327 to 424 MiB, and with this bound 140 to 147 MiB. It is the number of messages that host.json lets run at
#: once.
OUTPUTS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """Everything from outside. Clock, seeds and sleep are among it, so that a test controls time and chance."""

    store: Store
    index: OpenIndex
    moved: MovedAccounts
    nights: Nights
    #: By name, because an attempt is looked up at the provider that runs it.
    providers: Mapping[ProviderName, Provider]
    images: Images
    archives: Archives
    destinations: Destinations
    screener: Screener
    inputs: Inputs
    outputs: Outputs
    input_files: InputFiles
    uploads: Uploads
    quarantine: Quarantine
    dead_letters: DeadLetters
    proofs: Proofs
    signer: Signer
    #: Returns the key of the keyed digests in ledgers, from memory after the first call. Raises Unavailable without it.
    names_key: Callable[[], Awaitable[bytes]]
    commands: Commands
    switches: SwitchBoard
    waiting: WaitingList
    app_windows: AppWindows
    messenger: Messenger
    telemetry: Telemetry
    catalog: Catalog
    plans: Plans
    policy: Policy
    timing: Timing
    limits: Limits
    #: The key of the digests in screening records. Without a key there are no digests.
    digest_key: bytes = field(default=b"", repr=False)
    now: Callable[[], datetime]
    new_seed: Callable[[], int]
    #: Returns a number from 0 to 1, for jitter.
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    #: True if deliveries of this message were lost so often that one of its pictures may have ended workers.
    wary: bool = False
    #: The trained version that this message names and its account has. Empty: none.
    own_version: str = ""
    #: What this instance has written to ``moved`` today.
    noted_today: NotedToday = field(default_factory=NotedToday)
    #: What this instance knows of the use of the whole app. Nothing without a limit of the app.
    app_use: AppUse = field(default_factory=AppUse)
    #: The kill switches as this instance read them last.
    recent_switches: RecentSwitches = field(default_factory=RecentSwitches)
    #: What this instance knows of the turns.
    recent_turns: RecentTurns = field(default_factory=RecentTurns)
    #: The pace of creates now. None: there is none.
    pace: Callable[[], PaceNow | None] = lambda: None
    #: Acquire before fetching an output; release after storing it.
    outputs_at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OUTPUTS_AT_ONCE))
    #: The moves of credits that calls of this process save together.
    pending: PendingMoves = field(default_factory=PendingMoves)
