"""The retired words: nothing in code, docs, infra, packages and tests uses one, but where it is legitimate.

The list is dev/retired_words.toml. tests/retired_words_left.toml allows each file what it had when the list was made;
that may only fall, and without the file nothing is allowed.
"""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from dev import words
from dev.project_files import project_files
from dev.words import Use, find, retired_words, too_many

ROOT = Path(__file__).parents[1]


def found(text: str, file: str = "docs/page.md") -> list[tuple[int, str]]:
    """(line, word) of each use in a text."""
    return [(use.line, use.word) for use in retired_words().uses(file, text)]


def test_no_file_has_more_retired_words_than_it_may_have() -> None:
    """`python3 -m dev words PATH` lists them with their replacements."""
    grown = too_many(find(), words.allowed())
    assert {file: [str(use) for use in uses] for file, uses in grown.items()} == {}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The house is built.", "house"),
        ("a corridor", "corridor"),
        ("its doors", "doors"),
        ("a neighbour", "neighbour"),
        ("NEIGHBOUR = 1", "NEIGHBOUR"),
        ("class Neighbours:", "Neighbours"),
        ("it was told", "told"),
        ("def heir() -> None:", "heir"),
        ("put_off_mean", "put off"),
        ("isPutOff", "Put Off"),
        ("it comes back", "comes back"),
        ("the buried one", "buried"),
        ("its letter", "letter"),
        ("furnish()", "furnish"),
        ("self._rooms", "rooms"),
        ("the wiring", "wiring"),
        ("a Desk", "Desk"),
        ("an entrance", "entrance"),
        ("LEFT_ALONE", "LEFT ALONE"),
        ("it fell", "fell"),
        ("own_terms", "own terms"),
        ("a second opinion", "second opinion"),
        ("by pieces", "pieces"),
        ("two locks", "two locks"),
        ("what is none", "is none"),
    ],
)
def test_each_retired_word_is_found(text: str, word: str) -> None:
    """It is found in prose and in names, with its line."""
    assert found(f"first\n{text}\n") == [(2, word)]


def test_a_phrase_is_found_over_the_end_of_a_line() -> None:
    """It is found in a paragraph, and in a comment with its sign."""
    assert found("what was put\noff, and\n    # comes\n    # back") == [(1, "put off"), (3, "comes back")]


def test_a_path_is_read_too() -> None:
    """A word in the path has line 0."""
    assert found("", "docs/adr/0001-the-corridor.md") == [(0, "corridor")]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("docs/page.md", "a dead letter, `dead_letters`, DeadLetter, dead-letter"),
        ("docs/page.md", "letters, digits and dots; small letters; a capital letter"),
        ("docs/safety.md", "letters doubled or stretched"),
        ("shared/adapters/media/images/reading.py", "def tell(self) -> int:\n    return file.tell()"),
        ("shared/adapters/media/images/png.py", "pieces"),
        ("docs/page.md", "None where there is none"),
        ("docs/page.md", "if found is None"),
        ("docs/page.md", "outdoors, a warehouse, storytelling, bedrooms, hardwired"),
        ("LICENSE-free.md", "room for more"),
    ],
)
def test_what_is_legitimate_is_not_found(file: str, text: str) -> None:
    """A use with a reason in the list is legitimate, and so is a longer word."""
    assert found(text, file) == []


def test_a_use_is_legitimate_only_where_the_list_says_so() -> None:
    """The same words in another file are found."""
    assert found("letters doubled", "docs/operations.md") == [(1, "letters")]
    assert found("pieces", "shared/adapters/net/client.py") == [(1, "pieces")]


def test_every_legitimate_use_has_its_files() -> None:
    """Each glob matches a file, and each reason says something."""
    names = [path.relative_to(ROOT).as_posix() for path in project_files(ROOT)]
    for retired in retired_words().words:
        assert retired.say
        for each in retired.legitimate:
            assert each.why
            assert any(fnmatchcase(name, each.files) for name in names), each.files


def test_more_uses_than_allowed_fail_and_fewer_do_not() -> None:
    """A file that the list does not name may have none."""
    uses = [Use("a.py", 1, "x", "y"), Use("a.py", 2, "x", "y"), Use("b.py", 1, "x", "y")]
    assert too_many(uses, {"a.py": 2, "b.py": 1}) == {}
    assert too_many(uses, {"a.py": 3, "b.py": 1, "c.py": 1}) == {}
    assert set(too_many(uses, {"a.py": 1, "b.py": 1})) == {"a.py"}
    assert set(too_many(uses, {})) == {"a.py", "b.py"}


def test_what_is_left_is_written_and_goes_with_the_last_word(tmp_path: Path) -> None:
    """The file holds a count for each file; with nothing left it is removed, and nothing is allowed."""
    file = tmp_path / "left.toml"
    words.write([Use("b.py", 1, "x", "y"), Use("a b.py", 1, "x", "y"), Use("b.py", 2, "x", "y")], file)
    assert words.allowed(file) == {"a b.py": 1, "b.py": 2}
    words.write([], file)
    assert not file.exists()
    assert words.allowed(file) == {}


def test_the_command_reads_only_the_paths_that_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """The licence has no retired word of ours; a folder means the files below it."""
    assert words.main(["LICENSE"]) == 0
    assert capsys.readouterr().out == ""
    assert {use.file.partition("/")[0] for use in find([ROOT / "docs", ROOT / "infra"])} <= {"docs", "infra"}
