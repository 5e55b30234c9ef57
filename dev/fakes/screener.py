"""FakeScreener: content safety in memory, by the words in a text and the bytes in an image.

A word of ``words`` in a text, or bytes of ``marks`` in an image, give their category its severity; all others are 0.
"""

from collections.abc import Sequence

from shared.core.dependency import Dependency
from shared.core.safety.moderation import CONTENT_SAFETY, Assessment, Category
from shared.ports import Unavailable

#: One word for each category; every sensible policy refuses "violence" at 6.
WORDS: dict[str, tuple[Category, int]] = {
    "hateful": (Category.HATE, 6),
    "selfharm": (Category.SELF_HARM, 6),
    "explicit": (Category.SEXUAL, 6),
    "gory": (Category.VIOLENCE, 6),
    "mild": (Category.VIOLENCE, 2),
}

#: These bytes make an image unsafe.
UNSAFE_IMAGE = b"UNSAFE"


class FakeScreener:
    """ports.Screener in memory. ``down``: raise Unavailable. ``unreadable``: an assessment that lacks a category."""

    def __init__(self) -> None:
        self.down = False
        self.unreadable = False
        self.words = dict(WORDS)
        self.marks: dict[bytes, tuple[Category, int]] = {UNSAFE_IMAGE: (Category.SEXUAL, 6)}
        self.texts: list[str] = []
        self.images: list[bytes] = []

    async def text(self, text: str, plan: str = "") -> Assessment:
        """Assess a text by its words."""
        self._check()
        self.texts.append(text)
        return self.read(text)

    async def image(self, image: bytes, plan: str = "") -> Assessment:
        """Assess an image by its marks."""
        self._check()
        self.images.append(image)
        return self.seen(image)

    async def several(self, images: Sequence[bytes], plan: str = "") -> Sequence[Assessment | None]:
        """Assess each image by its marks."""
        return [await self.image(image, plan) for image in images]

    def read(self, text: str) -> Assessment:
        """The assessment of a text, without recording a call."""
        return self._verdict([found for word, found in self.words.items() if word in text.lower()])

    def seen(self, image: bytes) -> Assessment:
        """The assessment of an image, without recording a call."""
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
