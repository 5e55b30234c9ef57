"""The nightly audit: deletes old files, compares every account with its ledger, and the models with Replicate.

Rules of this file:
1. Each difference is an error in the log.
2. An audit that runs out of time is logged as an error too: unchecked accounts must not look healthy.
3. A model on offer that is gone at its provider, or takes other inputs than the catalogue says, is an error, and
   counted. A provider that does not answer is no difference: other alerts watch it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from shared import worker
from shared.core.metric import Metric
from shared.ports import Dependencies, Unavailable

if TYPE_CHECKING:
    from shared.core.catalog.catalog import Catalog

logger = logging.getLogger("darkroom.audit")

#: The bound of one audit. It is below the 270 s of function_app.py, so that the audit itself logs how far it came.
AUDIT_S = 240

#: The bound of the comparison of the models, which comes after it.
MODELS_S = 25

#: The differences of a catalogue's offered models from their provider: each is a model and what is different.
Drifted = Callable[["Catalog"], Awaitable[Sequence[tuple[str, str]]]]


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


async def check_models(deps: Dependencies, drifted: Drifted) -> None:
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
