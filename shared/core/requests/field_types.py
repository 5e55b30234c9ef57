"""The types of a request's fields: what a value may be, and what is known of a field.

Rules of this file:
1. The rules of the table (fields.py), which is made of these, hold for them.
2. The classes have neither comparison nor repr: nothing uses them, and generating them slows every worker's start.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text:
    """A text of at most ``most`` characters (None: only the size of the message bounds it).

    ``written``: see rule 2. ``choices`` are all allowed values. ``pattern`` must match the whole text; ``rule`` is its
    error sentence, ``form`` its short form for the page.
    """

    most: int | None
    written: bool
    choices: tuple[str, ...] = ()
    pattern: str = ""
    rule: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number:
    """A number from ``low`` to ``high``, both included. ``whole``: integers only."""

    low: int
    high: int
    whole: bool = True


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Flag:
    """True or false. ``default`` applies if the request does not have the field."""

    default: bool | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pairs:
    """At most ``most`` pairs of texts of at most ``characters`` each. The event returns them; no model gets them."""

    most: int
    characters: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Addresses:
    """At most ``most`` https addresses of at most ``characters`` each."""

    most: int
    characters: int


#: A value of a model's own input, as JSON has it.
InputValue = str | int | float | bool | list[str]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Inputs:
    """At most ``most`` inputs of a named model: names, and values that are texts, numbers, true, false or lists.

    A text has at most ``characters``, a list at most ``several`` texts, a number at most ``limit`` on both sides of 0,
    and the whole at most ``total_bytes`` as JSON. The entry of the model knows the bounds of each (settable.py).
    """

    most: int
    characters: int
    several: int
    limit: int
    total_bytes: int
    name_pattern: str


FieldType = Text | Number | Flag | Pairs | Addresses | Inputs


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Field:
    """One field of a request.

    ``help`` is one sentence for the command line; ``more`` follows it on the page and in the schema. ``unit`` is the
    command line's name for the value. ``modalities`` are those with a model that takes the field; empty: the field
    steers Darkroom itself, for every modality. ``shown``: views show it even if the user's texts are hidden.
    """

    name: str
    type: FieldType
    help: str
    example: object
    modalities: tuple[str, ...] = ()
    unit: str = ""
    more: str = ""
    shown: bool = False

    @property
    def steers(self) -> bool:
        """Whether Darkroom itself uses the field, so that it is never ignored."""
        return not self.modalities

    @property
    def sentences(self) -> str:
        """The field's description, as the page and the schema have it."""
        return f"{self.help} {self.more}".rstrip()

    @property
    def written(self) -> bool:
        """Whether the field is in the user's own words and may reach a model (rule 2)."""
        return isinstance(self.type, Inputs) or (isinstance(self.type, Text) and self.type.written)
