"""The kinds of failed predictions, by what can be done about them. The adapter classifies, the transitions decide."""

from enum import StrEnum

from shared.core.reasons import Reason


class Failure(StrEnum):
    """The kind of a failure. A failure that is not surely of another kind is the model's."""

    TRANSIENT = "transient"  # another attempt may succeed
    CONTENT = "content"  # refused for its content; the user must reword the request
    INPUT = "input"  # the input does not suit the model; the user must change it
    OPERATOR = "operator"  # a problem of Darkroom's account with the provider; the user can do nothing
    MODEL = "model"  # the model broke; another model may work


REASONS: dict[Failure, Reason] = {
    Failure.TRANSIENT: Reason.PROVIDER_FAILED,
    Failure.CONTENT: Reason.CONTENT_REFUSED,
    Failure.INPUT: Reason.PROVIDER_REFUSED,
    Failure.OPERATOR: Reason.PROVIDER_UNAVAILABLE,
    Failure.MODEL: Reason.PROVIDER_FAILED,
}
