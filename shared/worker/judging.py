"""The verdict on what was screened, and its record. Each screening makes a record, whatever its verdict."""

from dataclasses import dataclass

from shared.core.reasons import Reason, Refusal
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.moderation import Assessment, Verdict, evaluate, keyed_digest
from shared.core.safety.screening_record import ScreeningRecord, record
from shared.ports import Dependencies

#: The refusal of a request whose uploaded file does not exist.
FILE_MISSING = Refusal(Reason.INPUT_INVALID, "The input file is not there. Upload it, then send the request again.")


@dataclass(frozen=True, slots=True)
class ScreenedRequest:
    """A screened request: the message to continue with, its refusal (None: it passed), and the screening records."""

    message: GenerationRequest
    refusal: Refusal | None
    records: tuple[ScreeningRecord, ...] = ()


def judge(
    deps: Dependencies, subject: str, assessment: Assessment, content: bytes, plan: str
) -> tuple[Verdict, ScreeningRecord]:
    """The policy's verdict on an assessment, and its record. The record has only a keyed digest of ``content``.

    ``content`` is empty for an output that is a file: its blob name identifies it.
    """
    verdict = evaluate(deps.policy, assessment, plan)
    digest = keyed_digest(deps.digest_key, content) if content else ""
    kept = record(subject, assessment, verdict, policy=deps.policy, plan=plan, digest=digest, now=deps.now())
    return verdict, kept
