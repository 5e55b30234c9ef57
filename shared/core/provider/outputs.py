"""The result in a model's output, for the requested modality.

Rules of this file:
1. A model may return a text, a list, an object, and any of these nested. Only its texts count: each is an *output*.
   The name of the nearest field around it is its *label* ("" if there is none).
2. A file is an address. Other texts beside it (a caption, the prompt, a media type, a score) are not outputs and
   displace none. Of several files those of the requested modality are taken: by the media type of a data URI, by the
   ending of the path, by the label. An ending is no proof: if no file is of the modality, any file is taken.
3. A text is the chunks of a list in their order, or in an object the field with the name of a result.
4. A stranger made the output. It is walked without recursion, to a depth and a number that no real model reaches.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from shared.core.modality import Modality
from shared.core.safety.chunks import joined

#: The greatest depth and number that are read; a model's thousand chunks of text are one list. More is left out.
MOST_DEPTH, MOST_OUTPUTS = 16, 100_000

#: Names of fields are cut after this many characters.
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
#: Endings that are surely none of those above.
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

#: Names of the field that holds the text, the most specific first. Segments and word lists have a "text" of their own.
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
    """The outputs in what a model returned, in order, and the label of each. Empty texts are left out."""
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
    """The outputs in what a model returned, in whatever form: addresses and texts."""
    return outputs_of(output)[0]


def is_address(output: str) -> bool:
    """Whether an output is the address of a file."""
    return _ADDRESS.match(output) is not None


def files_of(outputs: Sequence[str], labels: Sequence[str], modality: str) -> tuple[str, ...]:
    """The files of a modality ("image", "video", "audio", "training"), in order. Other outputs are left out."""
    found = [(output, label) for output, label in _labelled(outputs, labels) if is_address(output)]
    ranks = [_rank(output, label, modality) for output, label in found]
    sure = {label for (_, label), rank in zip(found, ranks, strict=True) if rank == _SURE}
    if sure:
        # A file without an ending counts if it stands in the same list as files of the modality.
        kept = [
            each
            for each, rank in zip(found, ranks, strict=True)
            if rank == _SURE or (rank == _MAYBE and each[1] in sure)
        ]
    else:
        kept = [each for each, rank in zip(found, ranks, strict=True) if rank == _MAYBE] or found
    # {"mask": .., "image": ..}: a file whose label names the modality comes first.
    kept.sort(key=lambda each: not _names(each[1], modality))
    return tuple(output for output, _ in kept)


def text_of(outputs: Sequence[str], labels: Sequence[str]) -> str:
    """The text that a language model returned, its chunks joined."""
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
    return joined(named[:1])  # makes a text with half of a surrogate pair storable


_SURE, _MAYBE, _NO = range(3)


def _rank(output: str, label: str, modality: str) -> int:
    """Whether a file is of the modality: surely, perhaps, or surely not."""
    named = _modality_of(output)
    if named:
        return _SURE if named == modality else _NO
    if _names(label, modality):
        return _SURE
    return _NO if any(_names(label, other) for other in _ENDINGS if other != modality) else _MAYBE


def _modality_of(output: str) -> str:
    """The modality that an address shows, "other" for any other type, or an empty text if it shows none."""
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
