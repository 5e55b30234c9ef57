"""`python3 -m dev words [PATH ...] [--write]`: where a retired word is still used, and what to write in its place.

`dev/retired_words.toml` holds the words, their replacements and their legitimate uses. `tests/retired_words_left.toml`
holds how many uses each file still has; that number may only fall, and without the file it is zero everywhere.

Rules of this file:
1. It reads every text file of the project, and the file's own path (as line 0). A word in a path is a word.
2. It reads words, not strings: `in_order`, `inOrder`, `in-order` and "in order", also over the end of a line, are the
   same two words.
"""

import argparse
import fnmatch
import re
import string
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dev.project_files import project_files, text_of

ROOT = Path(__file__).parents[1]
WORDS = ROOT / "dev" / "retired_words.toml"
LEFT = ROOT / "tests" / "retired_words_left.toml"

#: Between the words of a phrase: a blank, or the end of a line with the indent and the comment sign of the next one.
_GAP = r"(?:[ ]+|[ ]*\n[ ]*(?:#:?|//|>)?[ ]*)"

#: Where a name in camel case begins a new word.
_HUMP = re.compile(r"[A-Z](?<=[a-z0-9][A-Z])")

#: What joins words in a name.
_JOINTS = str.maketrans("_-", "  ")

#: Only ASCII: in lower case another character may be longer, and lines are counted by position.
_SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_TITLE = """\
# How many retired words each file still has (`python3 -m dev words`). A count may only fall; without this file every
# count is zero. `python3 -m dev words --write` writes it anew.

"""


@dataclass(frozen=True, slots=True)
class Legitimate:
    """A use that stays: in the files that match ``files``, where ``text`` covers the word."""

    files: str
    text: re.Pattern[str]
    why: str


@dataclass(frozen=True, slots=True)
class Retired:
    """A retired word or phrase, and the word to write in its place."""

    words: re.Pattern[str]
    say: str
    legitimate: tuple[Legitimate, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a retired word. Line 0 is the file's own path."""

    file: str
    line: int
    word: str
    say: str

    def __str__(self) -> str:
        """Returns the line that the command prints."""
        return f"{self.file}:{self.line}: {self.word} -> {self.say}"


@dataclass(frozen=True, slots=True)
class RetiredWords:
    """What `dev/retired_words.toml` says: the words, one pattern that finds any of them, and the files not read."""

    words: tuple[Retired, ...]
    any_of_them: re.Pattern[str]
    unread: tuple[str, ...]

    def reads(self, file: str) -> bool:
        """Whether a file, named from the project's folder, is read."""
        return not any(fnmatch.fnmatchcase(file, pattern) for pattern in self.unread)

    def uses(self, file: str, text: str) -> Iterator[Use]:
        """The uses in a file's path and text, in their order."""
        plain = _HUMP.sub(r" \g<0>", f"{file}\n{text}".translate(_JOINTS))
        for found in self.any_of_them.finditer(plain.lower() if plain.isascii() else _lower(plain)):
            start, end = found.span()
            if plain[start - 1 : start].isalnum():
                continue
            retired = next((each for each in self.words if each.words.fullmatch(plain, start, end)), None)
            if retired is not None and not _is_legitimate(retired, file, plain, start, end):
                yield Use(
                    file, plain.count("\n", 0, start), " ".join(re.findall(r"[\w']+", plain[start:end])), retired.say
                )


def _lower(text: str) -> str:
    """Returns the text with ASCII in lower case. Every character keeps its position."""
    return text.translate(_SMALL)


def _is_legitimate(retired: Retired, file: str, plain: str, start: int, end: int) -> bool:
    return any(
        around.start() <= start and end <= around.end()
        for each in retired.legitimate
        if fnmatch.fnmatchcase(file, each.files)
        for around in each.text.finditer(plain, max(0, start - 80), end + 80)
    )


@cache
def retired_words(file: Path = WORDS) -> RetiredWords:
    """The list, read from its file."""
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    words = tuple(
        Retired(
            words=_phrase(entry["words"], any_case=entry.get("any_case", True)),
            say=entry["say"],
            legitimate=tuple(
                Legitimate(each.get("files", "*"), _phrase(each.get("text", entry["words"])), each["why"])
                for each in entry.get("legitimate", ())
            ),
        )
        for entry in read["word"]
    )
    together = "|".join(_spaced(entry["words"]) for entry in read["word"])
    return RetiredWords(words, re.compile(rf"(?:{together})\b"), tuple(entry["files"] for entry in read["unread"]))


def _spaced(words: str) -> str:
    return words.replace(" ", _GAP)


def _phrase(words: str, *, any_case: bool = True) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{_spaced(words)})\b", re.IGNORECASE if any_case else 0)


def find(paths: Iterable[Path] = (), root: Path = ROOT) -> list[Use]:
    """Yields every use in these files and folders, or in the whole project if none is given."""
    wanted = [path.resolve() for path in paths]
    words = retired_words()
    found: list[Use] = []
    for path in project_files(root):
        file = path.relative_to(root).as_posix()
        if words.reads(file) and (not wanted or any(path.is_relative_to(each) for each in wanted)):
            found += words.uses(file, text_of(path))
    return found


def allowed(file: Path = LEFT) -> dict[str, int]:
    """Returns how many uses each file may still have; empty if there is no such list."""
    if not file.exists():
        return {}
    counts: dict[str, int] = tomllib.loads(file.read_text(encoding="utf-8"))["left"]
    return counts


def too_many(found: Iterable[Use], left: dict[str, int]) -> dict[str, list[Use]]:
    """Returns the uses in each file that has more of them than its allowance."""
    by_file: dict[str, list[Use]] = {}
    for use in found:
        by_file.setdefault(use.file, []).append(use)
    return {file: uses for file, uses in by_file.items() if len(uses) > left.get(file, 0)}


def write(found: Iterable[Use], file: Path = LEFT) -> None:
    """Write the list of allowances, or remove it if no use is left."""
    counts = Counter(use.file for use in found)
    if not counts:
        file.unlink(missing_ok=True)
        return
    lines = "".join(f'"{name}" = {count}\n' for name, count in sorted(counts.items()))
    file.write_text(f"{_TITLE}[left]\n{lines}", encoding="utf-8")


def main(argv: Sequence[str]) -> int:
    """Print each use. Returns 1 if a file has more of them than its allowance."""
    parser = argparse.ArgumentParser(prog="python3 -m dev words", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="a file or a folder; else the whole project"
    )
    parser.add_argument("--write", action="store_true", help="write what is left into tests/retired_words_left.toml")
    arguments = parser.parse_args(argv)
    found = find(arguments.paths)
    for use in found:
        print(use)
    if arguments.write:
        write(find() if arguments.paths else found)
    grown = too_many(found, allowed())
    print(f"{len(found)} retired words in {len({use.file for use in found})} files.", file=sys.stderr)
    for file, uses in grown.items():
        print(f"{file}: {len(uses)}, and {allowed().get(file, 0)} are allowed.", file=sys.stderr)
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
