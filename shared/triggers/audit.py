"""The nightly audit: deletes files that were kept long enough, then compares every account with its ledger.

Rules of this file:
1. Each difference is an error in the log.
2. An audit that runs out of time is logged as an error too: unchecked accounts must not look healthy.
"""

import asyncio
import logging

from shared import worker
from shared.core.metric import Metric
from shared.ports import Dependencies, Unavailable

logger = logging.getLogger("darkroom.audit")

#: The bound of one audit. It is below the 270 s of function_app.py, so that the audit itself logs how far it came.
AUDIT_S = 240


async def audit(deps: Dependencies) -> int:
    """Delete old files, then check every account. Returns how many differences were found."""
    found, checked, last = 0, 0, "none"
    try:
        async with asyncio.timeout(AUDIT_S):
            await worker.sweep(deps)
            async for last, differences in worker.audit_tonight(deps):
                checked += 1
                found += len(differences)
                for difference in differences:
                    logger.error("audit: %s; post a correction", difference, extra={"account_id": last})
    except (TimeoutError, Unavailable) as trouble:
        why = str(trouble) or "out of time"
        deps.telemetry.count(Metric.AUDITS_UNFINISHED)
        logger.error("audit: not finished, %s: %d accounts were checked, the last was %s", why, checked, last)  # noqa: TRY400
    return found
