"""FakeScreener: content safety in memory, by the words in a text and the bytes in an image.

A word, or a run of bytes, that stands in ``words`` or ``marks`` gives its category its severity; all else is 0.
"""

from shared.core.dependency import Dependency
from shared.core.money.ledger import Plan
from shared.core.safety.moderation import CONTENT_SAFETY, Assessment, Category
from shared.ports import Unavailable

#: One word for each category; "violence" at 6 is refused by every sensible policy.
WORDS: dict[str, tuple[Category, int]] = {
    "hateful": (Category.HATE, 6),
    "selfharm": (Category.SELF_HARM, 6),
    "explicit": (Category.SEXUAL, 6),
    "gory": (Category.VIOLENCE, 6),
    "mild": (Category.VIOLENCE, 2),
}

#: Put this into an image's bytes to make it unsafe.
UNSAFE_IMAGE = b"UNSAFE"


class FakeScreener:
    """ports.Screener in memory. ``down``: Unavailable. ``unreadable``: a verdict that lacks a category."""

    def __init__(self) -> None:
        self.down = False
        self.unreadable = False
        self.words = dict(WORDS)
        self.marks: dict[bytes, tuple[Category, int]] = {UNSAFE_IMAGE: (Category.SEXUAL, 6)}
        self.texts: list[str] = []
        self.images: list[bytes] = []

    async def text(self, text: str, plan: Plan = Plan.FREE) -> Assessment:
        """Look for the words."""
        self._check()
        self.texts.append(text)
        return self.read(text)

    async def image(self, image: bytes, plan: Plan = Plan.FREE) -> Assessment:
        """Look for the marks."""
        self._check()
        self.images.append(image)
        return self.seen(image)

    def read(self, text: str) -> Assessment:
        """What a text's verdict is, without asking."""
        return self._verdict([found for word, found in self.words.items() if word in text.lower()])

    def seen(self, image: bytes) -> Assessment:
        """What an image's verdict is, without asking."""
        return self._verdict([found for mark, found in self.marks.items() if mark in image])

    def _check(self) -> None:
        if self.down:
            raise Unavailable(Dependency.CONTENT_SAFETY, "the test has taken it down")

    def _verdict(self, found: list[tuple[Category, int]]) -> Assessment:
        severities = dict.fromkeys(Category, 0)
        for category, severity in found:
            severities[category] = max(severities[category], severity)
        if self.unreadable:
            del severities[Category.HATE]
        return Assessment(severities, screeners=(CONTENT_SAFETY,))
