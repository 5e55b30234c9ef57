"""The message handler: every message from every trigger goes through ``handle``.

handler.py    handle(): which message goes where, and deferring what cannot be done now
requests.py   what users ask: a generation (four phases), a cancel; what was refused or waits
admission.py  the phases before a create: admit, screen, reserve
creates.py    one POST of a create and its four outcomes; a wait is over
observing.py  what Replicate says about a prediction, by webhook or when asked
screening.py  what is screened of a request, and its record; the input image
delivery.py   outputs: fetched, inspected, screened, stored
checking.py   the timer's look at what should have been heard of: the unknown outcome, the overdue
finishing.py  the app is told, what was not paid for taken away, the index row removed
open_index.py the row that stands before a generation does
dead_letters.py  what nobody can work on: kept, and what it was about is ended
retention.py  what was kept long enough is deleted
naming.py     where a generation's files are
accounts.py   grants, terms, corrections, the audit
saving.py     the only place that saves a generation
deferring.py  trying again later: back-off, and the copy of a request
"""

from shared.worker.accounts import audit, audit_tonight, change_terms, correct, grant
from shared.worker.checking import reconcile
from shared.worker.dead_letters import dead_letter
from shared.worker.deferring import defer
from shared.worker.handler import handle
from shared.worker.retention import sweep

__all__ = [
    "audit",
    "audit_tonight",
    "change_terms",
    "correct",
    "dead_letter",
    "defer",
    "grant",
    "handle",
    "reconcile",
    "sweep",
]
