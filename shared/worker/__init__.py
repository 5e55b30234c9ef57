"""The corridor: every message from every door walks through ``handle``.

corridor.py   handle(): which message goes where, and putting off what cannot be done now
requests.py   a request opens a generation; a create is made; a wait is over; a cancel
observing.py  what Replicate says about a prediction, by webhook or when asked
screening.py  what is screened of a request, and its record; the input image
delivery.py   outputs: fetched, inspected, screened, stored
checking.py   the timer's look at what should have been heard of: the unknown outcome, the overdue
ending.py     the app is told, the index row removed; dead letters
accounts.py   grants, terms, corrections, the audit
saving.py     the only place that saves a generation
waiting.py    coming back later: back-off, and the copy of a request
"""

from shared.worker.accounts import audit, audit_tonight, change_terms, correct, grant
from shared.worker.checking import reconcile
from shared.worker.deferring import put_off
from shared.worker.finishing import bury, sweep
from shared.worker.handler import handle

__all__ = [
    "audit",
    "audit_tonight",
    "bury",
    "change_terms",
    "correct",
    "grant",
    "handle",
    "put_off",
    "reconcile",
    "sweep",
]
