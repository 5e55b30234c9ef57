"""What is made, and what a model takes in: the two words by which rules branch most often."""

from enum import StrEnum


class Modality(StrEnum):
    """What a model makes, in the order in which a list shows it."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    TRAINING = "training"


class InputKind(StrEnum):
    """What one input of a model is."""

    TEXT = "text"
    IMAGE = "image"
    IMAGES = "images"
    AUDIO = "audio"
    ARCHIVE = "archive"
    CHOICE = "choice"
    WHOLE = "whole"
    REAL = "real"
    FLAG = "flag"

    @property
    def is_picture(self) -> bool:
        """Whether it is the request's image, alone or in a list."""
        return self in (InputKind.IMAGE, InputKind.IMAGES)

    @property
    def is_file(self) -> bool:
        """Whether it is the request's file, which nobody here can look into."""
        return self in (InputKind.AUDIO, InputKind.ARCHIVE)
