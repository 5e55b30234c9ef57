"""What an archive may have: names, kinds of files, counts and sizes.

Rules of this file:
1. A training's archive has pictures, and captions that belong to them: ``a.jpg`` and ``a.txt``. Anything else is
   refused by its name, never left out in silence: whoever packed it may have meant it.
2. Weights come as safetensors, alone or in an archive with YAML, JSON and text. What can run a program when it is
   loaded (a pickle) is refused.
3. A name is a path that stays in its folder, and no two names are the same for any file system: without regard to case
   and to the form of accents.
4. A sentence shows a name without control characters, and not more of it than ``_SHOWN`` characters.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class EntryKind(StrEnum):
    """What a file in an archive is, by its extension."""

    PICTURE = "picture"
    CAPTION = "caption"
    WEIGHTS = "weights"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive. ``number`` is its place in the archive's own list."""

    number: int
    name: str
    size_bytes: int
    kind: EntryKind

    @property
    def stem(self) -> str:
        """The path without its extension."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one kind of archive.

    ``files``: how many files at most, folders included. ``file_bytes``: the size of one file by its kind.
    ``total_bytes``: the size of all files together, unpacked.
    """

    kinds: Mapping[str, EntryKind]
    file_bytes: Mapping[EntryKind, int]
    files: int
    total_bytes: int
    allowed: str


_MIB = 1024 * 1024

#: Pictures and captions of one training. Each picture is screened, so their number bounds what screening costs.
MOST_PICTURES = 1000
#: All captions together: a hundred calls of a screener at most.
MOST_CAPTIONS_BYTES = 1_000_000

_PICTURES = dict.fromkeys(("jpg", "jpeg", "png", "webp"), EntryKind.PICTURE)
_TEXTS = dict.fromkeys(("yaml", "yml", "json", "txt"), EntryKind.TEXT)

#: What a training learns from.
PICTURES = Bounds(
    kinds=MappingProxyType({**_PICTURES, "txt": EntryKind.CAPTION}),
    file_bytes=MappingProxyType({EntryKind.PICTURE: 20 * _MIB, EntryKind.CAPTION: 16 * 1024}),
    files=2 * MOST_PICTURES + 200,
    total_bytes=100 * _MIB,
    allowed="a picture (jpg, png, webp) nor a caption (txt)",
)

#: What a training makes. The size of the whole is bounded where it is fetched.
WEIGHTS = Bounds(
    kinds=MappingProxyType({"safetensors": EntryKind.WEIGHTS, **_TEXTS}),
    file_bytes=MappingProxyType({EntryKind.WEIGHTS: 1 << 40, EntryKind.TEXT: _MIB}),
    files=2000,
    total_bytes=1 << 40,  # narrowed to the size of the file
    allowed="safetensors nor YAML, JSON or text",
)

#: An archive may have a longer path, but no screen shows it.
_NAME_CHARACTERS, _SHOWN = 240, 80

#: Control characters, marks that nobody sees, line ends, surrogates, private and unassigned characters.
_NOT_IN_NAMES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_ARCHIVES = frozenset({"zip", "tar", "gz", "tgz", "bz2", "tbz2", "xz", "txz", "zst", "7z", "rar", "cbz"})
_PICKLES = frozenset({"pt", "pth", "bin", "ckpt", "pkl", "pickle"})
#: What operating systems add to an archive without being asked.
_ADDED = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def shown(name: str) -> str:
    """A stranger's name as a sentence shows it."""
    plain = "".join(char if char.isprintable() else "?" for char in name)
    return plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 3]}..."


def wrong_name(name: str) -> str:
    """What is wrong with the name of a file or folder. Empty if nothing is."""
    if len(name) > _NAME_CHARACTERS:
        return f"{shown(name)} has a name of more than {_NAME_CHARACTERS} characters."
    if "\\" in name or ":" in name or any(unicodedata.category(char) in _NOT_IN_NAMES for char in name):
        return f"{shown(name)} has a character in its name that no file name may have."
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return f"{shown(name)} leads out of its folder, or is no path."
    return ""


def kind_of(name: str, bounds: Bounds) -> EntryKind | None:
    """What a file is by its extension. None if the archive may not have it."""
    hidden = name.rpartition("/")[2].startswith(".") or name.startswith("__MACOSX/")
    return None if hidden else bounds.kinds.get(extension_of(name))


def extension_of(name: str) -> str:
    """The extension in small letters. Empty if there is none."""
    file = name.rpartition("/")[2]
    return file.rpartition(".")[2].lower() if "." in file else ""


def not_allowed(name: str, bounds: Bounds) -> str:
    """Why a file may not be in the archive, by its name."""
    extension = extension_of(name)
    if any(name.startswith(each) or name.endswith(f"/{each}") or name == each for each in _ADDED):
        return f"{shown(name)} was added by an operating system. Pack the archive again without it."
    if extension in _ARCHIVES:
        return f"{shown(name)} is an archive in the archive. Unpack it first."
    if extension in _PICKLES:
        return f"{shown(name)} may run a program when it is loaded. Only safetensors are taken."
    return f"{shown(name)} is neither {bounds.allowed}. Leave it out."


def wrong_list(entries: Iterable[Entry], bounds: Bounds) -> str:
    """What is wrong with the files of an archive together. Empty if nothing is."""
    names: set[str] = set()
    total_bytes = 0
    for entry in entries:
        same = unicodedata.normalize("NFC", entry.name).casefold()
        if same in names:
            return f"{shown(entry.name)} is there twice. Names may not differ only in case."
        names.add(same)
        if entry.size_bytes > (most := bounds.file_bytes[entry.kind]):
            return f"{shown(entry.name)} is larger than {most // 1024} KiB."
        total_bytes += entry.size_bytes
    if total_bytes > bounds.total_bytes:
        return f"Unpacked it has more than {bounds.total_bytes // _MIB} MiB."
    return ""


def wrong_pictures(entries: Iterable[Entry]) -> str:
    """What is wrong with the pictures and captions of a training together. Empty if nothing is."""
    files = list(entries)
    pictures = {entry.stem for entry in files if entry.kind is EntryKind.PICTURE}
    count = sum(entry.kind is EntryKind.PICTURE for entry in files)
    captions = [entry for entry in files if entry.kind is EntryKind.CAPTION]
    if not count:
        return "There is no picture in it."
    if count > MOST_PICTURES:
        return f"It has {count} pictures, and {MOST_PICTURES} are the most."
    for entry in captions:
        if entry.stem not in pictures:
            return f"{shown(entry.name)} is the caption of no picture: none has its name."
    if sum(entry.size_bytes for entry in captions) > MOST_CAPTIONS_BYTES:
        return f"Its captions have more than {MOST_CAPTIONS_BYTES} bytes together."
    return ""


def sampled(count: int, above: int, seed: int) -> frozenset[int]:
    """The pictures of ``count`` that are screened, by their numbers: all, or ``above`` of them if there are more.

    ``above`` of 0 takes all. The draw follows from the seed alone (Fisher and Yates, with the numbers of SplitMix64).
    Nobody outside knows the seed, so nobody can place a picture where it is not looked at.
    """
    if not 0 < above < count:
        return frozenset(range(count))
    order = list(range(count))
    for at in range(above):
        seed, number = _splitmix(seed)
        other = at + number % (count - at)
        order[at], order[other] = order[other], order[at]
    return frozenset(order[:above])


_64 = (1 << 64) - 1


def _splitmix(state: int) -> tuple[int, int]:
    state = (state + 0x9E3779B97F4A7C15) & _64
    mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64
    return state, mixed ^ (mixed >> 31)
