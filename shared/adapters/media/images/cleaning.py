"""Cleans a picture: keeps only what a viewer needs.

Rules of this file:
1. Only the cleaned file is screened, stored and sent.
2. No picture is encoded again, because each of the four formats can be cleaned by leaving parts out. A file that a
   walker cannot read is not accepted as a picture, even if a library could read it.
"""

from typing import BinaryIO

from shared.adapters.media.images.containers import Animation, CutShort, Unfit, walk
from shared.core.reasons import Reason, Refusal
from shared.ports import Cleaned, OutputUnfit, PictureUnfit
from shared.ports import CutShort as EndsEarly

_ANIMATION = "It is an animation, and only single pictures can be checked and stored."

_CONTENT_TYPES = {b"\x89PNG": "image/png", b"RIFF": "image/webp", b"GIF8": "image/gif"}


def cleaned(file: BinaryIO, into: BinaryIO, *, validate: bool) -> Cleaned:
    """Implements ``ports.Images.clean``."""
    try:
        source, kept = walk(file)
        if kept.is_all_of(source):
            return Cleaned()
        kept.write(source, into)
    except Animation:
        raise PictureUnfit(_ANIMATION) from None
    except CutShort:
        raise EndsEarly(Refusal.of(Reason.OUTPUT_INVALID)) from None
    except Unfit:
        raise OutputUnfit(Refusal.of(Reason.OUTPUT_INVALID)) from None
    provenance, manifest = "", b""
    if validate and "provenance" in kept.dropped:
        from shared.adapters.media.images import manifests  # noqa: PLC0415  # slow to import, and few pictures have a manifest

        content_type = _CONTENT_TYPES.get(source.at(0, 4), "image/jpeg")
        provenance = manifests.validated(source, file, content_type) if kept.manifest else "too large"
        manifest = manifests.without_pictures(kept.manifest)
    return Cleaned(dropped=tuple(sorted(kept.dropped)), manifest=manifest, provenance=provenance)
