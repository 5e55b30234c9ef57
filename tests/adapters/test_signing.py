"""The ledger's keys: made once on a laptop, in files that only their owner reads, and used as soon as they change."""

import asyncio
import base64
import os
import re
import stat
from pathlib import Path

import pytest

from dev.fakes.signing import fake_signer
from shared.adapters.key_vault import CachedSecret, environment_source
from shared.adapters.signing import CachedNamesKey, Ed25519Signer, file_source, fits
from shared.core.provider.pasted_secrets import NoSecretError, ledger_key
from shared.ports import Unavailable

KEY = base64.b64encode(bytes(range(224, 256))).decode()


def test_a_pasted_key_is_cleaned_and_anything_else_is_named() -> None:
    """Both alphabets of base64, without padding too; the error never has the value."""
    urlsafe = KEY.translate(str.maketrans("+/", "-_")).rstrip("=")
    assert {ledger_key(text) for text in (KEY, f' "{KEY}"\r\n', urlsafe)} == {KEY}
    assert ledger_key("") == ""
    for wrong, said in (
        (KEY[:-8], "it has 27 bytes"),
        (KEY + KEY, "no base64"),
        ("not base64!", "no base64"),
        ("@Microsoft.KeyVault(SecretUri=...)", "not resolved"),
    ):
        with pytest.raises(NoSecretError, match=said) as caught:
            ledger_key(wrong)
        assert wrong not in str(caught.value)


async def test_a_laptop_makes_a_key_once_and_keeps_it(tmp_path: Path) -> None:
    """Twenty at once read the same key; nobody but the owner can read the file; nothing else is left in the folder."""
    path = tmp_path / "new" / "signing-key.key"
    found = await asyncio.gather(*(file_source(path)() for _ in range(20)))
    assert len(set(found)) == 1
    assert ledger_key(found[0]) == found[0] == path.read_text()
    assert [each.name for each in path.parent.iterdir()] == ["signing-key.key"]
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await file_source(path)() == found[0]
    other = tmp_path / "new" / "other.key"
    assert await file_source(other)() != found[0]


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """With the file's name, and no path of the machine."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match=r"the key file a\.key: ") as caught:
        await file_source(tmp_path / "file" / "a.key")()
    assert str(tmp_path) not in str(caught.value)


async def test_a_key_file_with_something_else_in_it_is_unavailable(tmp_path: Path) -> None:
    """It is named and not replaced: what was signed with it must stay verifiable."""
    path = tmp_path / "a.key"
    path.write_text("no key, a shopping list")
    signer = Ed25519Signer(CachedSecret("signing key", file_source(path), read=ledger_key).value)
    with pytest.raises(Unavailable, match="the signing key is not usable: it is no base64"):
        await signer.public_key()
    assert path.read_text() == "no key, a shopping list"


async def test_a_changed_key_signs_the_next_document() -> None:
    """And what the old one signed fits the old public key as before."""
    keys = [KEY, base64.b64encode(bytes(32)).decode()]

    async def source() -> str:
        return keys[0]

    signer = Ed25519Signer(source)
    old, before = await signer.public_key(), await signer.sign(str.encode)
    keys.pop(0)
    new, after = await signer.public_key(), await signer.sign(str.encode)
    assert new == await fake_signer().public_key() != old
    assert (before.key_id, after.key_id) == (old.key_id, new.key_id)
    assert fits(old.public_key, old.key_id.encode(), before.signature)
    assert fits(new.public_key, new.key_id.encode(), after.signature)
    assert not fits(new.public_key, old.key_id.encode(), before.signature)


async def test_the_key_of_names_is_asked_for_once() -> None:
    """It never changes, and each move of credits needs it."""
    asked = 0

    async def source() -> str:
        nonlocal asked
        asked += 1
        return KEY

    names_key = CachedNamesKey(source)
    assert await names_key() == await names_key() == base64.b64decode(KEY)
    assert asked == 1


async def test_no_key_is_in_what_is_shown_of_a_signer() -> None:
    """A log of the object, or of its signature, holds no key."""
    signer = Ed25519Signer(environment_source(KEY))
    shown = f"{signer!r} {await signer.sign(str.encode)!r} {await signer.public_key()!r}"
    assert KEY not in shown
    assert not re.search(base64.b64decode(KEY).hex(), shown)
