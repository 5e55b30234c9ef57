"""A call of the night's audit: deletes old files, compares the models with Replicate, looks at the accounts that moved.

Rules of this file:
1. Each difference is an error in the log. A correction is proposed for sums only: it cannot mend an entry, a head or a
   row.
2. A call ends by itself before it is ended: then the next one goes on where it stopped. One that is ended is logged as
   an error, for its last seconds are done again.
3. One dependency that is down costs a call, not the night. If not even the progress can be read, nothing would ever
   say so: that counts as a night that was not finished.
4. The models are compared once a night, by the call that deletes old files. A model on offer that is gone at its
   provider, or takes other inputs than the catalogue says, is an error, and counted. A provider that does not answer
   is no difference: other alerts watch it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import worker
from shared.core.metric import Metric
from shared.core.values import replace
from shared.ports import Dependencies, NightProgress, Unavailable

if TYPE_CHECKING:
    from shared.core.catalog.catalog import Catalog

logger = logging.getLogger("darkroom.audit")

#: The bound of one call. It is below the 270 s of function_app.py.
AUDIT_S = 240

#: After so long a call begins nothing new.
BEGIN_S = 200

#: The most that a call spends on old files.
SWEEP_S = 60

#: The most that a call spends on the comparison of the models.
MODELS_S = 25

#: The differences of a catalogue's offered models from their provider: each is a model and what is different.
Drifted = Callable[["Catalog"], Awaitable[Sequence[tuple[str, str]]]]


async def audit(deps: Dependencies, drifted: Drifted) -> int:
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
            if not progress.swept:
                await _compare_models(deps, drifted)
                call.progress = await _swept(deps, progress)
            async for looked in call.looks():
                found += len(looked.differences)
                for difference in looked.differences:
                    helps = "" if difference.unreadable else "; post a correction"
                    logger.error("audit: %s%s", difference, helps, extra={"account_id": looked.account_id})
    except Unavailable as trouble:
        logger.warning("audit: a call stopped after %s, the next one goes on: %s", call.progress.after, trouble)
    except TimeoutError:
        deps.telemetry.count(Metric.AUDITS_UNFINISHED)
        logger.error("audit: a call was ended after %s: out of time", call.progress.after or "no account")  # noqa: TRY400  # as above
    return found


async def _swept(deps: Dependencies, progress: NightProgress) -> NightProgress:
    """Delete old files. What is left after ``SWEEP_S`` is deleted by the next call."""
    try:
        async with asyncio.timeout(SWEEP_S):
            await worker.sweep(deps)
    except TimeoutError:
        return progress
    return replace(progress, swept=True)


async def _compare_models(deps: Dependencies, drifted: Drifted) -> None:
    """Compare the models on offer with their provider, and count each that is gone or has changed."""
    try:
        async with asyncio.timeout(MODELS_S):
            found = await drifted(deps.catalog)
    except (TimeoutError, Unavailable) as trouble:
        logger.warning("models: not compared, %s", str(trouble) or "out of time")
        return
    for model, what in found:
        deps.telemetry.count(Metric.MODELS_DRIFTED, model=model)
        logger.error("models: %s: %s; run `catalog check --write`", model, what)
