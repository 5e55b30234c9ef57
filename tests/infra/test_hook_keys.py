"""The postprovision hook makes the ledger's keys once, and locks the proofs only where that is wanted."""

import base64
import json
import stat
import sys
from pathlib import Path

import pytest

from tests.infra.test_hooks import BOTH, LEDGER_KEYS, TOKEN, CommandContext, command_context, replicate

__all__ = ["command_context", "replicate"]

pytestmark = pytest.mark.process  # az, azd and their like are programs


def test_the_keys_of_the_ledger_are_made_once(
    command_context: CommandContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two keys of 32 bytes, in files of their owner's only; the next run keeps both."""
    command_context.answers = [TOKEN]
    command_context.run()
    made = command_context.keys()
    assert {len(base64.b64decode(key, validate=True)) for key in made.values()} == {32}
    assert len(set(made.values())) == len(LEDGER_KEYS)
    stores = command_context.stores(*LEDGER_KEYS)
    assert [call["modes"] for call in stores] == [[stat.S_IRUSR | stat.S_IWUSR] * 2] * 2
    assert not any(Path(file).exists() for call in stores for file in call["files"])
    said = capsys.readouterr()
    shown = said.out + said.err + json.dumps([call["arguments"] for call in command_context.calls()])
    assert not any(key in shown for key in made.values())
    command_context.run()
    assert command_context.keys() == made


def test_only_the_key_that_signs_is_rotated(command_context: CommandContext) -> None:
    """The key that stands for names is kept by every rotation, and Replicate's secrets by this one."""
    command_context.answers = [TOKEN]
    command_context.run()
    before = command_context.keys()
    command_context.run(rotate_signing_key=True)
    after = command_context.keys()
    assert after["signing-key"] != before["signing-key"]
    assert after["ledger-names-key"] == before["ledger-names-key"]
    command_context.answers = [TOKEN]
    command_context.run(rotate=True)
    assert command_context.keys() == after
    assert command_context.stored() == BOTH


@pytest.mark.parametrize("state", ["Unlocked", "Locked"])
def test_the_proofs_are_locked_where_that_is_wanted(command_context: CommandContext, state: str) -> None:
    """Once: what is locked is not locked again, and azd remembers it for the templates."""
    azd = Path(command_context.env["PATH"]) / "azd"
    azd.write_text(
        f'#!{sys.executable}\nimport sys\nopen("{command_context.vault}/azd", "w").write(" ".join(sys.argv[1:]))'
    )
    azd.chmod(0o755)
    policy = command_context.vault / "policy"
    policy.write_text(state)
    command_context.env |= {"LOCK_PROOFS": "true", "STORAGE_BLOB_URL": "https://stdatax.blob.core.windows.net/"}
    command_context.answers = [TOKEN]
    command_context.run()
    assert policy.read_text() == "Locked"
    asked = [call["arguments"] for call in command_context.calls() if "immutability-policy" in call["arguments"]]
    assert [words[3] for words in asked] == (["show"] if state == "Locked" else ["show", "lock"])
    assert asked[0][asked[0].index("--account-name") + 1] == "stdatax"
    assert asked[0][asked[0].index("--container-name") + 1] == "proofs"
    assert (command_context.vault / "azd").read_text() == "env set PROOFS_LOCKED true"
    command_context.env["PROOFS_LOCKED"] = "true"
    before = len(command_context.calls())
    command_context.run()
    assert not any("immutability-policy" in call["arguments"] for call in command_context.calls()[before:])


def test_the_proofs_are_not_locked_unless_it_is_wanted(command_context: CommandContext) -> None:
    """It can never be undone, so it is nobody's default."""
    command_context.env["LOCK_PROOFS"] = "false"
    command_context.answers = [TOKEN]
    command_context.run()
    assert not any("immutability-policy" in call["arguments"] for call in command_context.calls())
