"""A call of the night's audit: deletes files that were kept long enough, then looks at the accounts that moved.

Rules of this file:
1. Each difference is an error in the log.
2. A call ends by itself before it is ended: then the next one goes on where it stopped. One that is ended is logged as
   an error, for its last seconds are done again.
3. One dependency that is down costs a call, not the night. If not even the progress can be read, nothing would ever
   say so: that counts as a night that was not finished.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

from shared import worker
from shared.core.metric import Metric
from shared.ports import Dependencies, NightProgress, Unavailable

logger = logging.getLogger("darkroom.audit")

#: The bound of one call. It is below the 270 s of function_app.py.
AUDIT_S = 240

#: After so long a call begins nothing new.
BEGIN_S = 200

#: The most that a call spends on old files.
SWEEP_S = 60


async def audit(deps: Dependencies) -> int:
    """Do one call of the night. Returns how many differences were found."""
    until = deps.now() + timedelta(seconds=BEGIN_S)
    try:
        progress = await worker.begin_call(deps)
    except Unavailable as trouble:
        deps.telemetry.count(Metric.AUDITS_UNFINISHED)
        logger.error("audit: not begun: %s", trouble)  # noqa: TRY400  # it is expected
        return 0
    if progress is None:
        return 0
    call = worker.Call(deps, progress, until)
    found = 0
    try:
        async with asyncio.timeout(AUDIT_S):
            call.progress = await _swept(deps, progress)
            async for looked in call.looks():
                found += len(looked.differences)
                for difference in looked.differences:
                    logger.error("audit: %s; post a correction", difference, extra={"account_id": looked.account_id})
    except Unavailable as trouble:
        logger.warning("audit: a call stopped after %s, the next one goes on: %s", call.progress.after, trouble)
    except TimeoutError:
        deps.telemetry.count(Metric.AUDITS_UNFINISHED)
        logger.error("audit: a call was ended after %s: out of time", call.progress.after or "no account")  # noqa: TRY400  # as above
    return found


async def _swept(deps: Dependencies, progress: NightProgress) -> NightProgress:
    """Delete old files, once a night. What is left after ``SWEEP_S`` is deleted by the next call."""
    if progress.swept:
        return progress
    try:
        async with asyncio.timeout(SWEEP_S):
            await worker.sweep(deps)
    except TimeoutError:
        return progress
    return replace(progress, swept=True)
