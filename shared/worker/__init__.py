"""The message handler: ``handle`` processes every message of every trigger.

handler.py         handle(): dispatches a message by its type, and defers it if a dependency is unavailable
requests.py        what users ask for: a generation (in four phases) or a cancel; messages that cannot be read
admission.py       the phases before a create: admit, screen, reserve
quotes.py          the quote of a request that has not opened, made once and handed on
creates.py         one POST of a create and its four outcomes; the retry of a WAITING generation
reposting.py       the same create POSTed again, where the provider guarantees idempotency
observing.py       applies what Replicate reports about a prediction, by webhook or in an answer
patience.py        how long a succeeded prediction's missing outputs are waited for
delivery.py        fetches, inspects, screens and stores outputs
spooled_output.py  the buffer of one output: in memory, or on disk if it is large
wholeness.py       detects truncated files, and pictures in a sound file, by the container format
screening.py       screens a request's texts and input image, and makes the records; resolves inputs to URLs
wariness.py        protection from messages that may have killed earlier workers
checking.py        the timer's checks: unknown outcomes of creates, overdue predictions, stale index rows
finishing.py       publishes the end, deletes what was not paid for, removes the index row
dead_letters.py    archives dead letters and unreadable messages, and ends the generations they name
pausing.py         what the kill switches stop, and for how long
switching.py       the commands pause and resume
deferring.py       back-off, and the scheduled copies of messages
open_index.py      writes the index row that must exist before its generation does
saving.py          the only code that saves a generation
grouping.py        saves the moves of one account that are at hand as one group
naming.py          the name prefix of a generation's blobs
retention.py       deletes refused outputs and abandoned inputs after their time
walking.py         the walk over one account's ledger: names the first entry that does not fit
proofs.py          signs receipts and heads of ledgers, publishes the keys, reads heads back
statements.py      the statement of a month: where its reading starts, and what was made
accounts.py        the commands about accounts: credits, settings, limits
app_wide.py        the kill switches and the limits of the whole app, as library functions
approving.py       asks for approvals, and saves what is decided about them
noting.py          notes which accounts move on which day
auditing.py        compares accounts with their ledgers
erasing.py         erases names from an account's ledger
open_holds.py      what the open generations of an account held, at one number of its ledger
nights.py          the night's audit of the accounts that moved
"""

from shared.worker.accounts import (
    Command,
    correct,
    grant,
    reactivate,
    refund,
    remove_limit,
    revoke,
    set_account,
    set_limit,
    set_plan,
    suspend,
)
from shared.worker.app_wide import pause, remove_app_limit, resume, set_app_limit
from shared.worker.approving import Yes, approve, check_decision, decidable_until, deny
from shared.worker.auditing import audit
from shared.worker.checking import reconcile
from shared.worker.dead_letters import dead_letter
from shared.worker.deferring import defer
from shared.worker.erasing import erase_names
from shared.worker.handler import handle
from shared.worker.nights import Call, begin_call
from shared.worker.proofs import fits, keys_document, public_keys, receipt
from shared.worker.retention import sweep
from shared.worker.statements import statement
from shared.worker.walking import gone, verify

__all__ = [
    "Call",
    "Command",
    "Yes",
    "approve",
    "audit",
    "begin_call",
    "check_decision",
    "correct",
    "dead_letter",
    "decidable_until",
    "defer",
    "deny",
    "erase_names",
    "fits",
    "gone",
    "grant",
    "handle",
    "keys_document",
    "pause",
    "public_keys",
    "reactivate",
    "receipt",
    "reconcile",
    "refund",
    "remove_app_limit",
    "remove_limit",
    "resume",
    "revoke",
    "set_account",
    "set_app_limit",
    "set_limit",
    "set_plan",
    "statement",
    "suspend",
    "sweep",
    "verify",
]
