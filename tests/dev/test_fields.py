"""`python3 -m dev fields`: what is generated from the tables of fields is compared, or written anew."""

from pathlib import Path

import pytest

from dev import fields


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that replaces docs/: it has both pages, and no schema yet."""
    for name, page in (("PAGE", fields.PAGE), ("COMMAND_PAGE", fields.COMMAND_PAGE)):
        (tmp_path / page.name).write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
        monkeypatch.setattr(fields, name, tmp_path / page.name)
    monkeypatch.setattr(fields, "SCHEMA", tmp_path / fields.SCHEMA.name)
    monkeypatch.setattr(fields, "COMMAND_SCHEMA", tmp_path / fields.COMMAND_SCHEMA.name)
    return tmp_path


def test_what_is_committed_is_as_the_table_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    """All files are current, and the check changes none."""
    assert fields.main([]) == 0
    assert capsys.readouterr().out == "docs/: as the tables of fields\n"


def test_what_is_stale_is_named_and_made_anew(docs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hand-written rows stay, and so does the rest of the page."""
    good, good_commands = (page.read_text(encoding="utf-8") for page in (fields.PAGE, fields.COMMAND_PAGE))
    stale = good.replace("64 to 8,192", "1 to 9", 1)
    fields.PAGE.write_text(stale, encoding="utf-8")
    fields.COMMAND_PAGE.write_text(good_commands.replace("0 to 1,000", "1 to 9", 1), encoding="utf-8")
    assert fields.main([]) == 1
    said = capsys.readouterr().out
    for name in ("requests.md", "generation-request.schema.json"):
        assert f"docs/{name}: it is not made from shared/core/requests/fields.py" in said
    for name in ("accounts-commands.md", "account-command.schema.json"):
        assert f"docs/{name}: it is not made from shared/core/commands/fields.py" in said
    assert fields.PAGE.read_text(encoding="utf-8") == stale

    assert fields.main(["--write"]) == 0
    assert fields.PAGE.read_text(encoding="utf-8") == good
    assert fields.COMMAND_PAGE.read_text(encoding="utf-8") == good_commands
    assert fields.SCHEMA.read_text(encoding="utf-8") == fields.schema_text()
    assert fields.COMMAND_SCHEMA.read_text(encoding="utf-8") == fields.command_schema_text()
    assert len(list(docs.iterdir())) == 4


def test_a_page_without_the_table_is_no_page_to_write() -> None:
    """The error names the missing head of the table."""
    with pytest.raises(ValueError, match=r"requests\.md has no table that begins with \| Field"):
        fields.with_table("# Another page\n")
    with pytest.raises(ValueError, match=r"accounts-commands\.md has no table that begins with \| Command"):
        fields.with_commands("# Another page\n")


def test_it_takes_no_other_argument(capsys: pytest.CaptureFixture[str]) -> None:
    """The error lists the arguments."""
    assert fields.main(["--wirte"]) == 2
    assert "usage: python3 -m dev fields [--write]" in capsys.readouterr().err
