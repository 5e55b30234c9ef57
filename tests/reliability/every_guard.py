"""Every table of guards. A guard that is in none of these tables is never taken out."""

from tests.reliability.answer_guards import ANSWER_GUARDS
from tests.reliability.app_limit_guards import APP_LIMIT_GUARDS
from tests.reliability.approval_guards import APPROVAL_GUARDS
from tests.reliability.archive_guards import ARCHIVE_GUARDS
from tests.reliability.choosing_guards import CHOOSING_GUARDS
from tests.reliability.command_guards import COMMAND_GUARDS
from tests.reliability.group_guards import GROUP_GUARDS
from tests.reliability.guards import GUARDS, Guard
from tests.reliability.margin_guards import MARGIN_GUARDS
from tests.reliability.modality_guards import MODALITY_GUARDS
from tests.reliability.money_guards import MONEY_GUARDS
from tests.reliability.night_guards import NIGHT_GUARDS
from tests.reliability.operator_guards import OPERATOR_GUARDS
from tests.reliability.outage_guards import OUTAGE_GUARDS
from tests.reliability.output_guards import OUTPUT_GUARDS
from tests.reliability.pause_guards import PAUSE_GUARDS
from tests.reliability.picture_guards import PICTURE_GUARDS
from tests.reliability.proof_guards import PROOF_GUARDS
from tests.reliability.receiving_guards import RECEIVING_GUARDS
from tests.reliability.settable_guards import SETTABLE_GUARDS
from tests.reliability.turn_guards import TURN_GUARDS

TABLES: tuple[tuple[Guard, ...], ...] = (
    GUARDS,
    ANSWER_GUARDS,
    APP_LIMIT_GUARDS,
    APPROVAL_GUARDS,
    ARCHIVE_GUARDS,
    CHOOSING_GUARDS,
    COMMAND_GUARDS,
    GROUP_GUARDS,
    MARGIN_GUARDS,
    MODALITY_GUARDS,
    MONEY_GUARDS,
    NIGHT_GUARDS,
    OPERATOR_GUARDS,
    OUTAGE_GUARDS,
    OUTPUT_GUARDS,
    PAUSE_GUARDS,
    PICTURE_GUARDS,
    PROOF_GUARDS,
    RECEIVING_GUARDS,
    SETTABLE_GUARDS,
    TURN_GUARDS,
)

EVERY_GUARD: tuple[Guard, ...] = tuple(guard for table in TABLES for guard in table)
