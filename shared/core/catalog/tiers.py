"""The tiers of the models, in their order."""

from enum import IntEnum


class Tier(IntEnum):
    """The class of a model. A plan has one too, and includes every model of its own tier and of those below."""

    FREE = 0
    BASIC = 1
    PREMIUM = 2

    @classmethod
    def named(cls, name: str) -> "Tier":
        """The tier of this name (``free``, ``basic``, ``premium``); ValueError names the choices."""
        try:
            return cls[name.upper()]
        except KeyError:
            choices = ", ".join(tier.label for tier in cls)
            raise ValueError(f"unknown tier {name!r}: choose one of {choices}") from None

    @property
    def label(self) -> str:
        """The tier's name, as in messages, tables and the catalogue."""
        return self.name.lower()
