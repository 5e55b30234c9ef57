"""The nightly look: accounts that their ledgers do not explain are errors in the log; what was kept long enough goes.

Rules of this file:
1. A night that was too short is told of as an error too: what was not looked at is not well.
"""

import asyncio
import logging

from shared import worker
from shared.ports import Dependencies, Unavailable

logger = logging.getLogger("darkroom.audit")

#: What the audit has of the 270 s that function_app.py gives any function: it tells that it was cut off itself.
AUDIT_S = 240


async def audit(deps: Dependencies) -> int:
    """Sweep, then look at every account. Returns how many differences there were."""
    found, looked_at, last = 0, 0, "nobody's"
    try:
        async with asyncio.timeout(AUDIT_S):
            await worker.sweep(deps)
            async for last, differences in worker.audit_tonight(deps):
                looked_at += 1
                found += len(differences)
                for difference in differences:
                    logger.error("audit: %s; mend it with a correction", difference, extra={"account_id": last})
    except (TimeoutError, Unavailable) as trouble:
        why = str(trouble) or "out of time"
        deps.telemetry.count("darkroom.audits_unfinished")
        logger.error("audit: not finished, %s: looked at %d accounts, the last was %s", why, looked_at, last)  # noqa: TRY400
    return found
