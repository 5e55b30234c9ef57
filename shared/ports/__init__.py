"""The ports: what the message handler needs from outside, as Protocols, with Dependencies and the errors they share.

Each group has a module. Other packages import from ``shared.ports`` only.

Rules of this file:
1. A port uses the app's own types (shared/core). No type or exception of a vendor passes through it.
2. An expected outcome is returned. Only three errors are raised, each with one meaning for the caller:

       Unavailable   the dependency cannot do it now: try the whole message again later
       Conflict      somebody else saved first: load and decide again
       OutputUnfit   this output will never be usable: its Refusal says why

3. Every outside effect of the message handler goes through a port, so that a test can crash it before, after and
   between effects.
"""

from shared.ports.archives import Archive, Archives
from shared.ports.commands import CommandRecord, Commands
from shared.ports.dependencies import OUTPUTS_AT_ONCE, Dependencies, Limits
from shared.ports.destinations import Destinations
from shared.ports.errors import (
    ArchiveUnfit,
    Conflict,
    CutShort,
    OutputUnfit,
    Paused,
    PictureUnfit,
    Unavailable,
    UnreadableRow,
)
from shared.ports.files import DeadLetters, InputFiles, Inputs, Outputs, Quarantine, Uploads
from shared.ports.messages import Deferrable, Envelope, Messenger, Sendable
from shared.ports.moved import MovedAccounts, NightProgress, Nights, NotedToday
from shared.ports.pending import (
    AccountMoves,
    Answer,
    Fate,
    Known,
    KnownUser,
    PendingMove,
    PendingMoves,
    Saved,
    Wait,
)
from shared.ports.pictures import Cleaned, Images, Picture
from shared.ports.proofs import Proofs, PublicKey, Signer
from shared.ports.provider import Provider
from shared.ports.reading import DeadLetter, FillUploads, ReadDeadLetters, ReadOutputs, Records
from shared.ports.safety import Screener
from shared.ports.state import Loaded, OpenIndex, OpenRow, Store
from shared.ports.switches import RecentSwitches, SwitchBoard
from shared.ports.telemetry import Telemetry
from shared.ports.turns import (
    PLACES_FRESH,
    TURNS_FRESH,
    PaceNow,
    PlaceRow,
    RecentTurns,
    Waiting,
    WaitingList,
)

__all__ = [
    "OUTPUTS_AT_ONCE",
    "PLACES_FRESH",
    "TURNS_FRESH",
    "AccountMoves",
    "Answer",
    "Archive",
    "ArchiveUnfit",
    "Archives",
    "Cleaned",
    "CommandRecord",
    "Commands",
    "Conflict",
    "CutShort",
    "DeadLetter",
    "DeadLetters",
    "Deferrable",
    "Dependencies",
    "Destinations",
    "Envelope",
    "Fate",
    "FillUploads",
    "Images",
    "InputFiles",
    "Inputs",
    "Known",
    "KnownUser",
    "Limits",
    "Loaded",
    "Messenger",
    "MovedAccounts",
    "NightProgress",
    "Nights",
    "NotedToday",
    "OpenIndex",
    "OpenRow",
    "OutputUnfit",
    "Outputs",
    "PaceNow",
    "Paused",
    "PendingMove",
    "PendingMoves",
    "Picture",
    "PictureUnfit",
    "PlaceRow",
    "Proofs",
    "Provider",
    "PublicKey",
    "Quarantine",
    "ReadDeadLetters",
    "ReadOutputs",
    "RecentSwitches",
    "RecentTurns",
    "Records",
    "Saved",
    "Screener",
    "Sendable",
    "Signer",
    "Store",
    "SwitchBoard",
    "Telemetry",
    "Unavailable",
    "UnreadableRow",
    "Uploads",
    "Wait",
    "Waiting",
    "WaitingList",
]
