"""The kinds of failed predictions, by what can be done about them. An adapter classifies; the rules act on the kind."""

from enum import StrEnum

from shared.core.reasons import Reason


class Failure(StrEnum):
    """What a failed prediction is to us. Whatever is not surely something else is the model's failure."""

    TRANSIENT = "transient"  # another attempt may well succeed
    CONTENT = "content"  # refused for what was asked; the user must reword
    INPUT = "input"  # the input does not suit the model; the user must change it
    OPERATOR = "operator"  # our account with the provider; nothing a user can do
    MODEL = "model"  # the model broke; another model may do


REASONS: dict[Failure, Reason] = {
    Failure.TRANSIENT: Reason.PROVIDER_FAILED,
    Failure.CONTENT: Reason.CONTENT_REFUSED,
    Failure.INPUT: Reason.PROVIDER_REFUSED,
    Failure.OPERATOR: Reason.PROVIDER_UNAVAILABLE,
    Failure.MODEL: Reason.PROVIDER_FAILED,
}
