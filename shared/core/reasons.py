"""Why a generation did not succeed: codes for programs, sentences for people.

Rules of this file:
1. A code never changes, because apps branch on it. Add codes, never rename them.
2. A sentence is for the app's user. It says what is wrong and what to do. It never quotes a prompt, a threshold, a term
   of the blocklist, what Darkroom pays, or anything about its operator's own accounts.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """A reason code, as it stands in the tables, the event and the logs."""

    INVALID_REQUEST = "INVALID_REQUEST"
    UNKNOWN_MODEL = "UNKNOWN_MODEL"
    MODEL_RETIRED = "MODEL_RETIRED"
    BELOW_MARGIN = "BELOW_MARGIN"
    PLAN_TOO_LOW = "PLAN_TOO_LOW"
    NO_CREDITS = "NO_CREDITS"
    OVER_LIMIT = "OVER_LIMIT"
    APPROVAL_NEEDED = "APPROVAL_NEEDED"
    APPROVAL_DENIED = "APPROVAL_DENIED"
    APPROVAL_EXPIRED = "APPROVAL_EXPIRED"
    ACCOUNT_SUSPENDED = "ACCOUNT_SUSPENDED"
    PROMPT_REFUSED = "PROMPT_REFUSED"
    INPUT_REFUSED = "INPUT_REFUSED"
    INPUT_INVALID = "INPUT_INVALID"
    NOT_SCREENED = "NOT_SCREENED"
    SAFETY_UNAVAILABLE = "SAFETY_UNAVAILABLE"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    PLAN_UNAVAILABLE = "PLAN_UNAVAILABLE"
    PAUSED = "PAUSED"
    WAITS_FOR_TURN = "WAITS_FOR_TURN"
    PROVIDER_REFUSED = "PROVIDER_REFUSED"
    PROVIDER_FAILED = "PROVIDER_FAILED"
    CONTENT_REFUSED = "CONTENT_REFUSED"
    OUTPUT_REFUSED = "OUTPUT_REFUSED"
    OUTPUT_INVALID = "OUTPUT_INVALID"
    OUTPUT_EXPIRED = "OUTPUT_EXPIRED"
    TIMED_OUT = "TIMED_OUT"
    LOST = "LOST"
    CANCELED_BY_USER = "CANCELED_BY_USER"
    DEAD_LETTERED = "DEAD_LETTERED"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"


#: One sentence for each code. A refusal that knows more (a field, a range, a limit) brings its own sentence.
SENTENCES: dict[Reason, str] = {
    Reason.INVALID_REQUEST: "The request could not be read. Correct it and send it again with a new id.",
    Reason.UNKNOWN_MODEL: "This model is not offered. Choose another one.",
    Reason.MODEL_RETIRED: "This model is no longer offered. Choose another one, or allow a fallback.",
    Reason.BELOW_MARGIN: "This model is not offered: its price in credits is too low for it. Choose another one.",
    Reason.PLAN_TOO_LOW: "Your plan does not include this model. Choose another model or a higher plan.",
    Reason.NO_CREDITS: "There are not enough credits for this. Add credits and send it again with a new id.",
    Reason.OVER_LIMIT: "This would cost more than the limit that was set. Raise the limit or ask for less.",
    Reason.APPROVAL_NEEDED: "This would exceed a limit, and waits until somebody approves it.",
    Reason.APPROVAL_DENIED: "This would exceed a limit, and it was not approved. Nothing was charged.",
    Reason.APPROVAL_EXPIRED: "Nobody approved this in time. Nothing was charged; send it again with a new id.",
    Reason.ACCOUNT_SUSPENDED: "This account is suspended. Ask whoever runs this app.",
    Reason.PROMPT_REFUSED: "The prompt was refused by the content rules. Reword it and try again.",
    Reason.INPUT_REFUSED: "The input image was refused by the content rules. Choose another one.",
    Reason.INPUT_INVALID: "The input image could not be used. Check its address and that it is a picture.",
    Reason.NOT_SCREENED: "Results of this kind cannot be checked here, so none are offered, whatever the model.",
    Reason.SAFETY_UNAVAILABLE: "The content check could not be done. Nothing was charged; try again later.",
    Reason.PROVIDER_UNAVAILABLE: "The model could not be reached. Nothing was charged; try again later.",
    Reason.PLAN_UNAVAILABLE: "The plan of this account is not set up. Nothing was charged; try again later.",
    Reason.PAUSED: "This is paused. Nothing was charged; it goes on by itself.",
    Reason.WAITS_FOR_TURN: "Others are before this. Nothing was charged; it goes on by itself.",
    Reason.PROVIDER_REFUSED: "The model did not accept these settings. Change them and try again.",
    Reason.PROVIDER_FAILED: "The model failed. Nothing was charged; try again.",
    Reason.CONTENT_REFUSED: "The model refused this content. Reword the prompt and try again.",
    Reason.OUTPUT_REFUSED: "The result was refused by the content rules. Nothing was charged.",
    Reason.OUTPUT_INVALID: "The model did not return a usable result. Nothing was charged; try again.",
    Reason.OUTPUT_EXPIRED: "The result was lost before it could be stored. Nothing was charged; try again.",
    Reason.TIMED_OUT: "The model took too long and was stopped. Nothing was charged; try again.",
    Reason.LOST: "The model lost this, or never confirmed it. Nothing was charged; try again.",
    Reason.CANCELED_BY_USER: "Canceled as asked. Nothing was charged.",
    Reason.DEAD_LETTERED: "Something went wrong on our side. Nothing was charged; try again.",
    Reason.IDEMPOTENCY_MISMATCH: "This id was used before for another request. Send this one with a new id.",
}


def counted(number: int, thing: str) -> str:
    """A number of things, in English: ``1 credit``, ``2 credits``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal: its reason code, and the sentence for the user."""

    reason: Reason
    text: str

    @classmethod
    def of(cls, reason: Reason) -> "Refusal":
        """The refusal with the reason's own sentence."""
        return cls(reason, SENTENCES[reason])
