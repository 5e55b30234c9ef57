"""`python3 -m dev fields`: what is generated from the table of request fields is compared, or written anew."""

from pathlib import Path

import pytest

from dev import fields


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that replaces docs/: it has one page, and no schema yet."""
    page = fields.PAGE.read_text(encoding="utf-8")
    (tmp_path / "requests.md").write_text(page, encoding="utf-8")
    monkeypatch.setattr(fields, "PAGE", tmp_path / "requests.md")
    monkeypatch.setattr(fields, "SCHEMA", tmp_path / "generation-request.schema.json")
    return tmp_path


def test_what_is_committed_is_as_the_table_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Both files are current, and the check changes neither."""
    assert fields.main([]) == 0
    assert capsys.readouterr().out == "docs/: as the table of fields\n"


def test_what_is_stale_is_named_and_made_anew(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hand-written rows stay, and so does the rest of the page."""
    good = fields.PAGE.read_text(encoding="utf-8")
    stale = good.replace("64 to 8,192", "1 to 9", 1)
    fields.PAGE.write_text(stale, encoding="utf-8")
    assert fields.main([]) == 1
    said = capsys.readouterr().out
    assert "docs/requests.md: its table is not" in said
    assert "docs/generation-request.schema.json: it is not made" in said
    assert fields.PAGE.read_text(encoding="utf-8") == stale

    assert fields.main(["--write"]) == 0
    assert fields.PAGE.read_text(encoding="utf-8") == good
    assert fields.SCHEMA.read_text(encoding="utf-8") == fields.schema_text()
    assert {file.name for file in docs.iterdir()} == {"requests.md", "generation-request.schema.json"}


def test_a_page_without_the_table_is_no_page_to_write() -> None:
    """The error names the missing head of the table."""
    with pytest.raises(ValueError, match=r"requests\.md has no table that begins with \| Field"):
        fields.with_table("# Another page\n")


def test_it_takes_no_other_argument(capsys: pytest.CaptureFixture[str]) -> None:
    """The error lists the arguments."""
    assert fields.main(["--wirte"]) == 2
    assert "usage: python3 -m dev fields [--write]" in capsys.readouterr().err
