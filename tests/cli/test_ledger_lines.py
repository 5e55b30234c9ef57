"""account ledger: its lines are what a check from outside needs, with the script of docs/ledger.md alone."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dev.fakes.world import KEY
from shared import worker
from shared.core.money.chain import Point
from shared.core.money.entries import LedgerEntry
from shared.core.money.sealing import digest_again
from shared.ports import UnreadableRow
from shared.worker import proofs, walking
from tests.cli.counter import Counter
from tests.core.test_chain import VECTORS, from_the_page

DOCS = Path(__file__).parents[2] / "docs"
SCRIPTS = {
    name: (DOCS / page).read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    for name, page in (("check_ledger.py", "ledger.md"), ("verify_receipt.py", "receipts.md"))
}


@pytest.fixture
def counter() -> Counter:
    """Ada has two buckets, of which one expires; a picture was made; one command came too late."""
    made = Counter()

    async def opened() -> None:
        await made.open_account()
        soon = made.now() + timedelta(days=3)
        await worker.grant(made.deps, "ada", 5, grant_id="a", expires_at=soon, by="operator:eve", why="Žlutý\u2028kůň")
        late, early = made.now(), made.now() - timedelta(hours=1)
        await worker.suspend(made.deps, "ada", "unpaid", worker.Command(command_id="s", issued_at=late))
        await worker.reactivate(made.deps, "ada", worker.Command(command_id="r", issued_at=early))
        await worker.reactivate(made.deps, "ada", worker.Command(command_id="t", issued_at=late))

    asyncio.run(opened())
    made.generate(KEY)
    return made


def printed(counter: Counter, *options: str) -> str:
    """What the command prints of ada's ledger."""
    called = counter.call("account", "ledger", "ada", "--format", "json", *options)
    assert (called.code, called.err) == (0, "")
    return called.out


def lines(text: str) -> list[dict[str, Any]]:
    """The objects of the lines."""
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


async def named(counter: Counter) -> bytes:
    """The key of names."""
    return await counter.deps.names_key()


async def signed(counter: Counter) -> str:
    """Sign the head of ada's ledger. Returns the head's name."""
    walked = await walking.walk(counter.store.ledger("ada"), {})
    assert isinstance(walked, Point)
    return (await proofs.sign_head(counter.deps, walked, counter.now())).name


def checked(folder: Path, text: str, *heads: bytes, keys: bytes = b"") -> tuple[int, str]:
    """What the page's script says of the lines and of heads, run on its own."""
    for name, script in SCRIPTS.items():
        (folder / name).write_text(script, encoding="utf-8")
    (folder / "ledger.jsonl").write_text(text, encoding="utf-8")
    (folder / "keys.json").write_bytes(keys)
    for number, head in enumerate(heads):
        (folder / f"head{number}.json").write_bytes(head)
    given = ["keys.json", *(f"head{number}.json" for number in range(len(heads)))] if heads else []
    command = [sys.executable, "-E", "-s", "check_ledger.py", "ledger.jsonl", *given]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_a_line_has_the_shape_of_the_vectors(counter: Counter) -> None:
    """The same names in the same order, without what only a vector has: its name, the key and the bytes."""
    for line in lines(printed(counter)):
        shape = [name for name in VECTORS[0] if name not in {"name", "key", "bytes"}]
        assert list(line) == shape
        for part in ("texts", "keyed", "changes"):
            assert list(line[part]) == list(VECTORS[0][part])
        assert all(list(bucket) == list(VECTORS[0]["buckets"][0]) for bucket in line["buckets"])


def test_the_lines_are_the_ledger(counter: Counter) -> None:
    """Each entry once, with its texts; each makes its digest by what was written from the page alone."""
    found = lines(printed(counter))
    assert [each["digest"] for each in found] == [entry.digest for entry in counter.store.entries]
    key = asyncio.run(named(counter)).hex()
    for line in found:
        assert from_the_page({**line, "key": key}) == from_the_page(line)
        assert hashlib.sha256(from_the_page(line)).hexdigest() == line["digest"]
    assert {each["move"] for each in found} > {"grant", "hold", "resolve", "suspend", "reactivate"}
    assert [each["superseded"] for each in found].count(True) == 1
    assert {bool(bucket["expires_at"]) for each in found for bucket in each["buckets"]} == {True, False}


@pytest.mark.process
def test_the_script_of_the_page_finds_the_lines_whole(counter: Counter, tmp_path: Path) -> None:
    """With the signed heads and the public keys too; and it makes the digests of the vectors."""
    name = asyncio.run(signed(counter))
    counter.generate(replace(KEY, generation_id="two"))
    text, keys = printed(counter), worker.keys_document(asyncio.run(worker.public_keys(counter.deps)))
    head = counter.blobs.proofs[name]
    count, account = len(counter.store.entries), counter.account()
    code, said = checked(tmp_path, text)
    assert (code, f"whole: entries 1 to {count}, {account.granted} granted, {account.available} available" in said) == (
        0,
        True,
    ), said
    code, said = checked(tmp_path, text, head, keys=keys)
    assert (code, f"signed up to entry {count - 2}" in said) == (0, True), said
    since = printed(counter, "--since", str(count - 2))
    assert [each["seq"] for each in lines(since)] == [count - 2, count - 1, count]
    assert checked(tmp_path, since, head, keys=keys)[0] == 0
    vectors = "".join(json.dumps(each) + "\n" for each in VECTORS)
    assert checked(tmp_path, vectors)[0] == 0
    code, said = checked(tmp_path, text, head.replace(b'"seq":', b'"seq":1'), keys=keys)
    assert (code, "not those that were signed" in said) == (1, True), said


@pytest.mark.process
def test_the_script_of_the_page_names_what_does_not_fit(counter: Counter, tmp_path: Path) -> None:
    """A changed fact, one taken out, a chain that was made anew, a ledger that ends before its head."""
    name = asyncio.run(signed(counter))
    head, keys = counter.blobs.proofs[name], worker.keys_document(asyncio.run(worker.public_keys(counter.deps)))
    whole = printed(counter).splitlines(keepends=True)
    changed = whole[2].replace('"usd_micros": 0', '"usd_micros": 7')
    assert changed != whole[2]
    for forged, said in (
        ([*whole[:2], changed, *whole[3:]], "entry 3 does not make its digest"),
        ([*whole[:2], *whole[3:]], "entry 4 comes after entry 2"),
        ([*whole[:2], whole[2].replace('"seq": 3', '"seq": "3"'), *whole[3:]], "entry 3 comes after entry 2"),
        (whole[:-1], "the ledger ends"),
    ):
        code, heard = checked(tmp_path, "".join(forged), head, keys=keys)
        assert (code, said in heard) == (1, True), heard
    link = ""
    for index, entry in enumerate(counter.store.entries):
        forgery = replace(entry, previous=link, usd_micros=entry.usd_micros or 7)
        link = digest_again(forgery)
        counter.store.entries[index] = replace(forgery, digest=link)
    code, heard = checked(tmp_path, printed(counter))
    assert code == 0, heard
    code, heard = checked(tmp_path, printed(counter), head, keys=keys)
    assert (code, "is not the one that was signed" in heard) == (1, True), heard


def test_the_lines_are_written_as_the_entries_come(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger of any length is never held: each entry is written before the next one is asked for."""
    real, written = counter.store.ledger, list[int]()

    async def noted(account_id: str, after: int = 0) -> AsyncIterator[LedgerEntry]:
        async for entry in real(account_id, after):
            out: Any = sys.stdout  # what watches for a full disk hands on what the stream has
            written.append(out.getvalue().count("\n"))
            yield entry

    monkeypatch.setattr(counter.store, "ledger", noted)
    count = len(lines(printed(counter)))
    assert written == list(range(count))


def test_a_ledger_is_printed_without_its_accounts_row(counter: Counter) -> None:
    """It says what was in the row. What cannot be read ends it, and is named; without entries there is no account."""
    whole = printed(counter)
    counter.store.drop_account("ada")
    assert printed(counter) == whole
    counter.store.unreadable_entries["ada", 3] = UnreadableRow("row ada/entry:3: a sum cannot be read", "ada")
    called = counter.call("account", "ledger", "ada")
    assert (called.code, called.err) == (1, "row ada/entry:3: a sum cannot be read\n")
    assert [each["seq"] for each in lines(called.out)] == [1, 2]
    called = counter.call("account", "ledger", "bob")
    assert (called.code, called.out, "There is no account 'bob'" in called.err) == (1, "", True)
    assert counter.call("account", "ledger", "ada", "--since", "0").code == 2


def test_past_the_end_there_is_no_line(counter: Counter) -> None:
    """An account that exists and has no entry of that number yet."""
    called = counter.call("account", "ledger", "ada", "--since", "99")
    assert (called.code, called.out, called.err) == (0, "", "")


def test_an_erased_text_is_empty_and_its_keyed_digest_stays(counter: Counter) -> None:
    """So the line makes its digest, and names nobody any more."""
    assert counter.call("account", "erase-names", "ada", "--entry", "3", "-y").code == 0
    erased = lines(printed(counter))[2]
    assert (erased["texts"]["by"], erased["texts"]["why"]) == ("", "")
    assert len(erased["keyed"]["why"]) == 64
    assert hashlib.sha256(from_the_page(erased)).hexdigest() == erased["digest"]
