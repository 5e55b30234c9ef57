"""What a model makes, and what its inputs are: the two distinctions on which most rules branch."""

from enum import StrEnum


class Modality(StrEnum):
    """What a model makes, in the order in which lists show it."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    TRAINING = "training"


class InputKind(StrEnum):
    """What one input of a model means."""

    TEXT = "text"
    IMAGE = "image"
    IMAGES = "images"
    AUDIO = "audio"
    ARCHIVE = "archive"
    CHOICE = "choice"
    WHOLE = "whole"
    REAL = "real"
    FLAG = "flag"
    WEIGHTS = "weights"

    @property
    def is_picture(self) -> bool:
        """Whether this input is the request's image, alone or in a list."""
        return self in (InputKind.IMAGE, InputKind.IMAGES)

    @property
    def is_file(self) -> bool:
        """Whether this input is the request's uploaded file."""
        return self in (InputKind.AUDIO, InputKind.ARCHIVE)
