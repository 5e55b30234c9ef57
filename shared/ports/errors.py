"""The errors that a port may raise: see the rules of the package."""

from shared.core.dependency import Dependency
from shared.core.reasons import Reason, Refusal


class Unavailable(Exception):  # noqa: N818  # it names a state of the dependency
    """A dependency is down, busy, or its answer is unreadable. ``retry_after_s`` is its own hint, or None."""

    def __init__(self, dependency: Dependency, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{dependency} is not available: {why}")
        self.dependency = dependency
        self.why = why
        self.retry_after_s = retry_after_s


class Paused(Unavailable):
    """A kill switch stops what has not opened. ``waits`` is for its user, ``why`` for operators."""

    def __init__(self, waits: Refusal, why: str, retry_after_s: float) -> None:
        super().__init__(Dependency.SWITCHES, why, retry_after_s)
        self.waits = waits


class Conflict(Exception):  # noqa: N818  # as above
    """Somebody else saved the generation or the account since it was loaded."""


class UnreadableRow(Exception):  # noqa: N818  # as above
    """A row that this version cannot read. The text names the row and the column, never their content."""

    def __init__(self, text: str, account_id: str = "") -> None:
        super().__init__(text)
        self.account_id = account_id


class OutputUnfit(Exception):  # noqa: N818  # as above
    """An output that is gone, too large, or not what it should be."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class PictureUnfit(OutputUnfit):
    """A valid picture that is beyond a bound. ``why`` is a sentence for its user that names the bound."""

    def __init__(self, why: str) -> None:
        super().__init__(Refusal(Reason.OUTPUT_INVALID, f"The result cannot be used. {why} Nothing was charged."))
        self.why = why


class ArchiveUnfit(OutputUnfit):
    """An archive that is broken, or has what it may not have. ``why`` is a sentence that names the entry."""

    def __init__(self, why: str) -> None:
        super().__init__(Refusal(Reason.OUTPUT_INVALID, f"The result cannot be used. {why} Nothing was charged."))
        self.why = why


class CutShort(OutputUnfit):
    """An output that ends too early by its own content. It may be complete when it is fetched again."""
