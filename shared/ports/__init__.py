"""All that the message handler needs from outside: Dependencies, its Protocols, and the errors they share.

A module for each group; ``from shared.ports import X`` is the one way in.

Rules of this file:
1. A port speaks our own words (core types); a vendor's model or exception never comes through it.
2. What is expected is returned. Only three things are raised, each with one meaning for the caller:

       Unavailable   a dependency cannot do it now: try the whole message again later
       Conflict      somebody else saved first: load and decide again
       OutputUnfit   this output will never be usable: its Refusal says why

3. Every outside effect of the message handler goes through here, so that a test can crash it before, after, or between.
"""

from shared.ports.dependencies import OUTPUTS_AT_ONCE, Dependencies, Limits
from shared.ports.errors import Conflict, CutShort, OutputUnfit, PictureUnfit, Unavailable, UnreadableRow
from shared.ports.files import DeadLetters, InputFiles, Inputs, Outputs, Quarantine, Uploads
from shared.ports.messages import Envelope, Messenger, Sendable
from shared.ports.pictures import Cleaned, Images, Picture
from shared.ports.provider import Provider
from shared.ports.reading import DeadLetter, FillUploads, ReadDeadLetters, ReadOutputs, Records
from shared.ports.safety import Screener
from shared.ports.state import Loaded, OpenIndex, OpenRow, Store
from shared.ports.telemetry import Telemetry

__all__ = [
    "OUTPUTS_AT_ONCE",
    "Cleaned",
    "Conflict",
    "CutShort",
    "DeadLetter",
    "DeadLetters",
    "Dependencies",
    "Envelope",
    "FillUploads",
    "Images",
    "InputFiles",
    "Inputs",
    "Limits",
    "Loaded",
    "Messenger",
    "OpenIndex",
    "OpenRow",
    "OutputUnfit",
    "Outputs",
    "Picture",
    "PictureUnfit",
    "Provider",
    "Quarantine",
    "ReadDeadLetters",
    "ReadOutputs",
    "Records",
    "Screener",
    "Sendable",
    "Store",
    "Telemetry",
    "Unavailable",
    "UnreadableRow",
    "Uploads",
]
