"""receipt, keys."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dev.fakes.signing import fake_signer
from dev.fakes.world import KEY
from shared.cli.main import run
from tests.cli.counter import Counter


@pytest.fixture
def files(counter: Counter, tmp_path: Path) -> tuple[Path, Path]:
    """A receipt and the public keys, as the commands print them."""
    counter.generate(KEY)
    receipt, keys = tmp_path / "receipt.json", tmp_path / "keys.json"
    for path, command in ((receipt, ("receipt", "one")), (keys, ("keys",))):
        called = counter.call(*command)
        assert (called.code, called.err) == (0, "")
        path.write_text(called.out)
    return receipt, keys


def offline(*words: str) -> int:
    """The exit code of a command without any setting."""

    def no_app(_: object) -> None:
        raise AssertionError("an app was opened")

    return run([*words], env={}, open_app=no_app)  # type: ignore[arg-type]  # it is never called


def test_a_receipt_is_printed_and_checked_offline(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Without settings, without an app; one changed fact, and it is not genuine."""
    receipt, keys = files
    facts = json.loads(receipt.read_text())
    assert (facts["generation_id"], facts["outcome"]) == ("one", "succeeded")
    assert offline("receipt", "verify", str(receipt), "--keys", str(keys)) == 0
    assert capsys.readouterr().out == f"genuine, signed by {facts['key_id']}: one, succeeded\n"
    receipt.write_text(json.dumps(facts | {"outcome": "failed"}))
    assert offline("receipt", "verify", str(receipt), "--keys", str(keys)) == 1
    assert "Not genuine: the facts are not what key" in capsys.readouterr().err


def test_a_receipt_is_checked_with_the_published_keys(counter: Counter, files: tuple[Path, Path]) -> None:
    """Also with one that does not sign any more; a key that nobody published fits nothing."""
    receipt, _ = files
    counter.operations.deps = replace(counter.deps, signer=fake_signer(1))
    assert counter.call("receipt", "verify", str(receipt)).code == 0
    printed = json.loads(counter.call("keys").out)["keys"]
    assert len(printed) == 2
    counter.blobs.proofs.clear()
    called = counter.call("receipt", "verify", str(receipt))
    assert (called.code, called.out) == (1, "")
    assert called.err.startswith("Not genuine: ")


def test_what_is_no_receipt_is_named(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file, or the keys: what is wrong, exit code 1, and no traceback."""
    receipt, keys = files
    other = tmp_path / "other.json"
    wrong_id = {"keys": [{"key_id": "0" * 16, "public_key": json.loads(keys.read_text())["keys"][0]["public_key"]}]}
    for content, said in (
        (b"", "no JSON"),
        (b"[]", "no JSON object"),
        (b"x" * 2_000_000, "more than"),
        (json.dumps(wrong_id).encode(), "not its own"),
        (b'{"keys": 1}', "list of keys"),
    ):
        other.write_bytes(content)
        for words in ((str(other), "--keys", str(keys)), (str(receipt), "--keys", str(other))):
            assert offline("receipt", "verify", *words) == 1
        assert said in capsys.readouterr().err
    assert offline("receipt", "verify", str(tmp_path / "none"), "--keys", str(keys)) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'none'} cannot be read: No such file or directory\n"
    assert offline("receipt", "verify", str(receipt), "--keys", str(tmp_path / "none")) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'none'} cannot be read: No such file or directory\n"


def test_a_generation_that_runs_has_no_receipt(counter: Counter) -> None:
    """It says so; nothing is signed, and nothing is published."""
    counter.request(KEY)
    called = counter.call("receipt", "one", "--user", "ada")
    assert (called.code, called.out) == (1, "")
    assert "It has not ended" in called.err
    assert counter.blobs.proofs == {}


def test_a_generation_may_be_called_verify(counter: Counter) -> None:
    """The word is a word only with a file; a file with any other word, and keys without a file, are mistakes."""
    counter.generate(replace(KEY, generation_id="verify"))
    assert json.loads(counter.call("receipt", "verify").out)["generation_id"] == "verify"
    assert counter.call("receipt", "one", "file.json").code == 2
    assert counter.call("receipt", "one", "--keys", "keys.json").code == 2
