"""The table of account commands: everything that is known about a command and its fields is here, once.

Rules of this file:
1. Parser, JSON Schema, the tables of docs/account-commands.md and the examples of the tests are made from this table.
2. Every field of a command is known, or the command is refused. A misspelt ``expires_at`` must not make credits that
   never expire. So a command has no ``strict``: it always is.
3. A null is the same as an absent field. An empty text is the same as an absent one where it would say nothing.
4. Numbers are whole, and bounded so that every store accepts them. Zero is allowed only where it says something: a
   limit of zero blocks everything, a grant of zero grants nothing.
5. Times have a zone. A time without one would be read as another time by another machine.
"""

from dataclasses import dataclass

from shared.core.commands import acts
from shared.core.money.credits import MOST_CREDITS
from shared.core.money.limits import MOST_IN_FLIGHT

#: The most micro-dollars of a limit: a billion dollars.
MOST_USD_MICROS = 10**15


@dataclass(frozen=True, slots=True)
class Id:
    """An id, by the rule of core/keys.py."""


@dataclass(frozen=True, slots=True)
class Ids:
    """At most ``most`` ids, each once. An empty list removes them."""

    most: int


@dataclass(frozen=True, slots=True)
class Text:
    """A text of at most ``most`` characters, not blank.

    ``choices`` are all allowed values. ``pattern`` must match the whole text; ``form`` is its form in words.
    ``empty``: an empty text is a value of its own, which removes what was there.
    """

    most: int
    choices: tuple[str, ...] = ()
    pattern: str = ""
    form: str = ""
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A time with a zone, of the years 2000 to 2999."""


FieldType = Id | Ids | Text | Whole | Moment


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``help`` is its sentence; ``needed``: the command is refused without it."""

    name: str
    type: FieldType
    help: str
    example: object
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One kind of command: its act, its sentence, its own fields.

    ``one_of``: exactly one of these fields is needed; with ``any_of`` at least one.
    """

    act: type[acts.Act]
    help: str
    fields: tuple[Field, ...] = ()
    one_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The ``type`` of the message."""
        return self.act.kind

    @property
    def example(self) -> dict[str, object]:
        """The fields of a command of this kind that is taken; a time is one in ISO 8601."""
        left_out = self.one_of[1:]
        scoped = ("user_id", "model") if any(field.name == "scope" for field in self.fields) else ()
        names = {field.name for field in self.fields} - {*left_out, *scoped}
        return {field.name: field.example for field in self.fields if field.name in names}


WINDOWS = ("hour", "day", "week", "month", "rolling_24h", "in_flight")
EFFECTS = ("warn", "block", "approve")
ALLOWANCES = ("kept", "prorated", "ended")

#: What a limit or a pause is about. The whole app and a model are nobody's account.
LIMIT_SCOPES = ("account", "user", "app")
PAUSE_SCOPES = ("account", "user", "model", "app")
OF_NO_ACCOUNT = ("model", "app")

_ISSUED = "2026-11-28T21:30:00+00:00"

#: The fields that every command has, beside ``type``.
HEAD: tuple[Field, ...] = (
    Field("command_id", Id(), "Yours. The same id with the same content is the same command.", "order-7", needed=True),
    Field("account_id", Id(), "Whose account. Needed, unless the command is about a model or the whole app.", "acme"),
    Field("by", Text(200), "Who gave the command.", "billing", needed=True),
    Field("why", Text(500), "For what reason.", "paid by invoice 2026-118"),
    Field(
        "issued_at",
        Moment(),
        "When it was given. It orders the commands for one setting. Absent, or later than the message: when that was "
        "enqueued.",
        _ISSUED,
    ),
)

_CREDITS = Whole(1, MOST_CREDITS)
_GENERATION = Field("generation_id", Id(), "Which generation.", "7f3c", needed=True)
_USER = Field("user_id", Id(), "Whose generation; absent: that of the user with the account's id.", "ada")
_LIMIT_ID = Field("limit_id", Id(), "Which limit. The same id again replaces it.", "daily", needed=True)
_USERS = Field("user_id", Id(), "Which user of the account. Needed for the scope `user`, and for no other.", "ada")
_MODEL = Field("model", Text(200), "Which model. Needed for the scope `model`, and for no other.", "flux-dev")


def _scope(choices: tuple[str, ...], help_: str) -> Field:
    return Field("scope", Text(20, choices=choices), f"{help_} Absent: `account`.", choices[0])


_PAUSED = _scope(PAUSE_SCOPES, "What is paused.")

COMMANDS: tuple[Command, ...] = (
    Command(
        acts.Grant,
        "Gives the account credits. The first grant opens the account.",
        (
            Field("credits", _CREDITS, "How many.", 1000, needed=True),
            Field("expires_at", Moment(), "When what is left of them expires; absent: never.", "2027-12-31T23:00:00Z"),
            Field("priority", Whole(0, 1000), "Lower numbers are spent first; absent: 100.", 50),
        ),
    ),
    Command(
        acts.Revoke,
        "Takes back credits that are available, never held ones: at most so many.",
        (
            Field("credits", _CREDITS, "How many.", 5, needed=True),
            Field("grant_id", Id(), "Only those of this grant; absent: in the order of spending.", "order-7"),
        ),
    ),
    Command(
        acts.Refund,
        "Gives back captured credits of a generation that has ended: all refunds together at most what was captured.",
        (Field("credits", _CREDITS, "How many.", 3, needed=True), _GENERATION, _USER),
    ),
    Command(
        acts.SetAccount,
        "Sets the account's name, time zone or approvers. What is absent stays.",
        (
            Field("name", Text(100, empty=True), "The name; an empty text removes it.", "Acme Ltd"),
            Field(
                "zone",
                Text(64, pattern=r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*", form="a name such as Europe/Oslo"),
                "The time zone of its windows and allowance. It starts with the next window.",
                "Europe/Oslo",
            ),
            Field("approvers", Ids(20), "Who may approve; an empty list: operators only.", ["ada"]),
        ),
        any_of=("name", "zone", "approvers"),
    ),
    Command(
        acts.SetPlan,
        "Sets the account's plan.",
        (
            Field("plan", Id(), "The name of a plan.", "basic", needed=True),
            Field("allowance", Text(20, choices=ALLOWANCES), "The running allowance; absent: `kept`.", "kept"),
        ),
    ),
    Command(
        acts.SetLimit,
        "Sets a limit: in credits, in micro-dollars of provider cost, or on generations in flight.",
        (
            _LIMIT_ID,
            Field("window", Text(20, choices=WINDOWS), "The time that it counts.", "day", needed=True),
            Field("credits", Whole(0, MOST_CREDITS), "The most credits within it.", 500),
            Field("usd_micros", Whole(0, MOST_USD_MICROS), "The most provider cost within it.", 25_000_000),
            Field(
                "generations",
                Whole(1, MOST_IN_FLIGHT),
                "The most generations in flight, for the window `in_flight`. What is beyond it waits for its turn.",
                4,
            ),
            Field("effect", Text(20, choices=EFFECTS), "What it does when it is reached; absent: `block`.", "block"),
            _scope(LIMIT_SCOPES, "Whose limit."),
            _USERS,
        ),
        one_of=("credits", "usd_micros", "generations"),
    ),
    Command(
        acts.RemoveLimit,
        "Removes a limit.",
        (_LIMIT_ID, _scope(LIMIT_SCOPES, "Whose limit."), _USERS),
    ),
    Command(
        acts.Suspend,
        "Refuses the account's new requests. What is open runs to its end.",
        (Field("reason", Text(300), "What its users read.", "A payment failed.", needed=True),),
    ),
    Command(acts.Reactivate, "Ends a suspension."),
    Command(
        acts.Approve,
        "Allows a generation that waits for approval past one limit.",
        (
            _GENERATION,
            Field("limit_id", Id(), "The limit that it may exceed.", "daily", needed=True),
            Field("max_credits", Whole(0, MOST_CREDITS), "The most that it may cost.", 40, needed=True),
            _USER,
        ),
    ),
    Command(
        acts.Deny,
        "Refuses a generation that waits for approval.",
        (_GENERATION, Field("reason", Text(300), "What its user reads.", "Not this quarter."), _USER),
    ),
    Command(
        acts.Pause,
        "Creates nothing more until a time. What has a hold keeps it.",
        (
            _PAUSED,
            _USERS,
            _MODEL,
            Field("until", Moment(), "When it ends by itself, at the latest after 7 days.", "2026-11-29T06:00:00Z"),
            Field("reason", Text(300), "What users read.", "The model answers wrongly."),
        ),
    ),
    Command(acts.Resume, "Ends a pause.", (_PAUSED, _USERS, _MODEL)),
)

#: The commands by the ``type`` of their message.
COMMAND: dict[str, Command] = {command.kind: command for command in COMMANDS}

#: The fields of a kind by name, with those that every command has.
FIELDS: dict[str, dict[str, Field]] = {
    command.kind: {field.name: field for field in (*HEAD, *command.fields)} for command in COMMANDS
}
