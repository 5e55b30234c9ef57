"""What a model gave: which of it is the result, by the kind of result that was asked for.

Rules of this file:
1. A model may give a text, a list, an object, and any of these within another. Only texts of it count: each is an
   *output*, and the name of the nearest field around it is its *label* ("" where there is none).
2. A file is an address. What else stands beside it (a caption, the prompt, a media type, a score) is no output, and
   pushes none out. Of several files those of the kind that was asked for are taken: by the media type of a data URI, by
   the ending of the path, by the label. An ending is no proof: where no file is of the kind, any file is taken.
3. A text is the pieces of a list in their order, or in an object the field that is named like a result.
4. A stranger made it: it is walked without recursion, to a depth and a number that no model reaches.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from shared.core.modality import Modality
from shared.core.safety.chunks import joined

#: How deep, and how many: a model's thousand pieces of text are one list. What is beyond is left out.
MOST_DEPTH, MOST_OUTPUTS = 16, 100_000

#: Longer names of fields say nothing more.
LABEL_CHARACTERS = 64

_ENDINGS = {
    "image": frozenset(
        ("png", "jpg", "jpeg", "webp", "gif", "avif", "bmp", "tif", "tiff", "heic", "heif", "jxl", "svg")
    ),
    "video": frozenset(("mp4", "webm", "mov", "mkv", "avi", "m4v", "mpg", "mpeg", "ogv")),
    "audio": frozenset(
        ("wav", "mp3", "flac", "ogg", "oga", "opus", "m4a", "aac", "aif", "aiff", "weba", "mid", "midi")
    ),
    "training": frozenset(("tar", "zip", "safetensors", "ckpt", "pt", "pth", "bin", "gz", "tgz")),
}
#: Endings that are surely none of the above.
_OTHER = frozenset(
    (
        "json",
        "txt",
        "srt",
        "vtt",
        "csv",
        "npz",
        "npy",
        "html",
        "htm",
        "pdf",
        "log",
        "md",
        "xml",
        "yaml",
        "glb",
        "obj",
        "ply",
    )
)

#: Names of the field that is the text, the most telling first; segments and word lists have their own "text".
_TEXT_LABELS = (
    "output",
    "response",
    "answer",
    "completion",
    "generated_text",
    "transcription",
    "transcript",
    "translation",
    "text",
    "caption",
    "content",
    "result",
    "message",
)

_ADDRESS = re.compile(r"(?:https?://|data:)", re.IGNORECASE)
_ENDING = re.compile(r"[^?#]{1,4096}\.([a-z0-9]{1,11})(?:[?#]|$)", re.IGNORECASE)
_MEDIA = re.compile(r"data:\s*([a-z]{1,20})/", re.IGNORECASE)


def outputs_of(output: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The outputs in what a model gave, in order, and the label of each. Empty texts are none."""
    texts: list[str] = []
    labels: list[str] = []
    waiting: list[tuple[object, str, int]] = [(output, "", 0)]
    while waiting and len(texts) < MOST_OUTPUTS:
        value, label, depth = waiting.pop()
        if isinstance(value, str):
            if value:
                texts.append(value)
                labels.append(label)
        elif depth < MOST_DEPTH and isinstance(value, Mapping):
            inner = [(each, str(name)[:LABEL_CHARACTERS], depth + 1) for name, each in value.items()]
            waiting += reversed(inner)
        elif depth < MOST_DEPTH and isinstance(value, (list, tuple)):
            waiting += [(each, label, depth + 1) for each in reversed(value)]
    return tuple(texts), tuple(labels) if any(labels) else ()


def output_uris(output: object) -> tuple[str, ...]:
    """The outputs in what a model gave, whatever its shape: addresses and texts."""
    return outputs_of(output)[0]


def is_address(output: str) -> bool:
    """Whether an output is the address of a file."""
    return _ADDRESS.match(output) is not None


def files_of(outputs: Sequence[str], labels: Sequence[str], modality: str) -> tuple[str, ...]:
    """The files of a modality ("image", "video", "audio", "training"), in order; what else there is, is left out."""
    found = [(output, label) for output, label in _labelled(outputs, labels) if is_address(output)]
    ranks = [_rank(output, label, modality) for output, label in found]
    sure = {label for (_, label), rank in zip(found, ranks, strict=True) if rank == _SURE}
    if sure:
        # A file without an ending is one of them where it stands in their list.
        kept = [
            each
            for each, rank in zip(found, ranks, strict=True)
            if rank == _SURE or (rank == _MAYBE and each[1] in sure)
        ]
    else:
        kept = [each for each, rank in zip(found, ranks, strict=True) if rank == _MAYBE] or found
    # {"mask": .., "image": ..}: who is called what was asked for goes first.
    kept.sort(key=lambda each: not _names(each[1], modality))
    return tuple(output for output, _ in kept)


def text_of(outputs: Sequence[str], labels: Sequence[str]) -> str:
    """The text that a language model gave, its pieces put together."""
    if not labels:
        return joined(outputs)
    by_label: dict[str, list[str]] = {}
    for output, label in _labelled(outputs, labels):
        by_label.setdefault(label.lower(), []).append(output)
    for name in _TEXT_LABELS:
        if name in by_label:
            return joined(by_label[name])
    return joined(output for output in outputs if not is_address(output))


def version_of(outputs: Sequence[str], labels: Sequence[str]) -> str:
    """The version that a training made, owner/name:version, or an empty text."""
    texts = [(output, label) for output, label in _labelled(outputs, labels) if not is_address(output)]
    named = [output for output, label in texts if label == "version"] or [output for output, _ in texts]
    return joined(named[:1])  # half a character is none that could be stored


_SURE, _MAYBE, _NO = range(3)


def _rank(output: str, label: str, modality: str) -> int:
    """Whether a file is of the modality: surely, perhaps, or surely not."""
    told = _told(output)
    if told:
        return _SURE if told == modality else _NO
    if _names(label, modality):
        return _SURE
    return _NO if any(_names(label, other) for other in _ENDINGS if other != modality) else _MAYBE


def _told(output: str) -> str:
    """The modality that an address tells of itself, "other" for none of them, or an empty text."""
    if media := _MEDIA.match(output):
        kind = media[1].lower()
        return kind if kind in _ENDINGS else ("" if kind == "application" else "other")
    ending = _ENDING.match(output[:8192])
    name = ending[1].lower() if ending and output[:5].lower() != "data:" else ""
    return "other" if name in _OTHER else next((kind for kind, names in _ENDINGS.items() if name in names), "")


def _names(label: str, modality: str) -> bool:
    """Whether a label has the modality's name as a word: audio_out, images, output_video."""
    words = re.split(r"[^a-z]+", label.lower())
    return modality in words or f"{modality}s" in words or (modality == Modality.TRAINING and "weights" in words)


def _labelled(outputs: Sequence[str], labels: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(outputs, labels or ("",) * len(outputs), strict=False)
