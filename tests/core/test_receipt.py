"""docs/receipts.md: its script, its example and its words are what the code makes of a generation."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev.fakes.signing import fake_signer
from dev.fakes.world import KEY, World
from shared import worker
from shared.core.keys import Key
from shared.core.lifecycle import receipt
from shared.core.lifecycle.generation import Closed, Generation
from shared.core.money import signed
from shared.core.money.chain import LedgerRef
from shared.core.money.entries import Move
from shared.core.requests.fields import PICTURES, WRITTEN
from shared.core.requests.messages import GenerationRequest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "receipts.md").read_text(encoding="utf-8")
SCRIPT = PAGE.partition("```python\n")[2].partition("```")[0]
EXAMPLE: dict[str, Any] = json.loads(PAGE.partition("```json\n")[2].partition("```")[0])
PROMPT = "a kingfisher at dawn, for Ada Lovelace"


async def made(world: World, **fields: Any) -> bytes:
    """The receipt of a picture that succeeded."""
    await world.open_account()
    await world.ask(prompt=PROMPT, width=1024, height=768, **fields)
    world.replicate.succeed(world.replicate.only_id)
    await world.webhook(world.replicate.only_id)
    await world.pump()
    return await receipt_of(world)


async def receipt_of(world: World, key: Key = KEY) -> bytes:
    """The signed receipt of a generation."""
    found = await worker.receipt(world.deps, world.store.saved_generations[key])
    assert found is not None
    return found


async def keys_of(world: World) -> bytes:
    """The public keys, as `keys` prints them."""
    return worker.keys_document(await worker.public_keys(world.deps))


def ran(folder: Path, raw: bytes, keys: bytes) -> subprocess.CompletedProcess[str]:
    """The page's script, run on its own."""
    for name, content in (("verify_receipt.py", SCRIPT.encode()), ("receipt.json", raw), ("keys.json", keys)):
        (folder / name).write_bytes(content)
    command = [sys.executable, "-I", "verify_receipt.py", "receipt.json", "keys.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


async def test_a_receipt_has_the_facts_of_its_generation(world: World) -> None:
    """What was asked, made, delivered, decided and paid; the digest is that of the stored bytes."""
    facts = json.loads(await made(world, guidance_scale=7.5))
    generation = world.generation()
    assert isinstance(generation, Generation)
    (output,) = facts["delivered"]["outputs"]
    stored = world.blobs.outputs[output["name"]].content
    assert output["sha256"] == hashlib.sha256(stored).hexdigest()
    assert output["size_bytes"] == len(stored)
    assert facts["asked"]["width"] == 1024
    assert facts["asked"]["guidance_scale"] == "7.5"
    assert facts["made_by"]["prediction_id"] == world.replicate.only_id
    assert facts["made_by"]["target"] == generation.attempt.target
    assert facts["credits"] == {"rule": receipt.RULE, "unit": 1, "held": 1, "captured": 1, "released": 0}
    assert [each["subject"] for each in facts["verdicts"]] == [record.subject for record in generation.screenings]
    assert (facts["outcome"], facts["reason"]) == ("succeeded", None)
    mine = [entry for entry in world.store.entries if entry.generation_id == KEY.generation_id]
    assert [entry.move for entry in mine] == [Move.HOLD, Move.RESOLVE]
    assert facts["ledger"] == [{"move": each.move, "seq": each.seq, "digest": each.digest} for each in mine]
    assert PROMPT not in json.dumps(facts)


async def test_the_page_shows_a_receipt_as_it_is(world: World) -> None:
    """The same names everywhere, and the same rule and version."""
    facts = json.loads(await made(world))
    assert _shape(EXAMPLE) == _shape(facts)
    assert EXAMPLE["version"] == facts["version"] == receipt.VERSION
    assert EXAMPLE["credits"]["rule"] == receipt.RULE
    listed = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE)))
    assert set(listed) == set(EXAMPLE) - {"version", "account_id", "user_id", "generation_id", "opened_at", "ended_at"}


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in sorted(value.items())}
    return [_shape(each) for each in value[:1]] if isinstance(value, list) else None


@pytest.mark.process
async def test_the_script_of_the_page_says_genuine_and_nothing_else(world: World, tmp_path: Path) -> None:
    """For the receipt as it is and however it is laid out; and not for one with any fact changed."""
    raw, keys = await made(world), await keys_of(world)
    assert len(SCRIPT.splitlines()) <= 50
    facts = json.loads(raw)
    laid_out = json.dumps(dict(reversed(facts.items())), indent=2).encode()
    for same in (raw, laid_out):
        done = ran(tmp_path, same, keys)
        assert (done.returncode, done.stdout) == (0, f"genuine, signed by {facts['key_id']}: one, succeeded\n")
    forged = {**facts, "credits": {**facts["credits"], "captured": 0}}
    other = await fake_signer(1).public_key()
    strange = {
        "a fact changed": json.dumps(forged).encode(),
        "a fact more": json.dumps({**facts, "more": 1}).encode(),
        "a name twice": raw[:-1] + b',"outcome":"succeeded"}',
        "no signature": json.dumps({**facts, "signature": ""}).encode(),
        "an unknown key": json.dumps({**facts, "key_id": "0" * 16}).encode(),
        "no receipt": b"[]",
        "no JSON": b"x",
        "deep": b'{"a":' * 100_000,
    }
    for name, content in strange.items():
        done = ran(tmp_path, content, keys)
        assert done.returncode == 1, name
        assert done.stderr.startswith("NOT GENUINE: "), (name, done.stderr)
    wrong_keys = json.dumps({"keys": [{"key_id": facts["key_id"], "public_key": other.public_key}]}).encode()
    assert "there is no key" in ran(tmp_path, raw, wrong_keys).stderr


async def test_a_receipt_is_the_same_bytes_until_the_key_changes(world: World) -> None:
    """After the files were deleted too; a new key signs the same facts, and the old receipt fits the old key."""
    before = await made(world)
    world.pass_time(86_400)
    world.blobs.outputs.clear()
    assert await receipt_of(world) == before
    world.deps = replace(world.deps, signer=fake_signer(1))
    after = await receipt_of(world)
    old, new = signed.read(before), signed.read(after)
    assert old.facts == new.facts
    assert old.signed_by.key_id != new.signed_by.key_id
    assert len(await worker.public_keys(world.deps)) == 2
    for document in (old, new):
        assert await worker.fits(world.deps, document)
    assert not await worker.fits(world.deps, replace(old, facts={**old.facts, "outcome": "failed"}))


async def test_what_has_not_ended_has_no_receipt(world: World) -> None:
    """Neither a request that waits nor a generation that runs."""
    await world.open_account()
    await world.ask()
    generation = world.generation()
    assert not generation.state.ended
    assert await worker.receipt(world.deps, generation) is None


async def test_an_end_that_never_opened_has_a_receipt_of_nothing(world: World) -> None:
    """A rejected request was asked, screened perhaps, and cost nothing."""
    await world.ask(width=64, height=64)
    generation = world.saved()
    assert isinstance(generation, Closed)
    facts = json.loads(await receipt_of(world))
    assert (facts["outcome"], facts["reason"], facts["made_by"]) == ("rejected", "NO_CREDITS", None)
    assert facts["delivered"] == {"outputs": [], "refused_outputs": 0}
    assert facts["credits"]["held"] == facts["credits"]["captured"] == 0


async def test_a_receipt_is_saved_in_the_transaction_of_the_end(world: World) -> None:
    """With the state that ends it, and in no transaction before; later ones keep it."""
    saved: list[tuple[bool, bool]] = []
    world.store.before_commit.append(
        lambda _, transition: saved.append(
            (transition.generation.state.ended, bool(getattr(transition.generation, "receipt", "")))
        )
    )
    await made(world)
    assert saved
    assert all(ended == kept for ended, kept in saved)
    assert saved[-1] == (True, True)


def test_every_field_of_a_request_is_a_fact_or_is_left_out_for_a_reason() -> None:
    """A new field of the request has to be put into one of the two lists.

    The request's digest is left out because it has no key: whoever has a receipt could test guesses of its prompt.
    """
    files_and_texts = {"key", *PICTURES, "input_file", "lora_weights", "destination", "trigger_word", "metadata"}
    files_and_texts |= {"unknown_fields", "digest"}
    fields = set(GenerationRequest.__dataclass_fields__)
    assert set(receipt.ASKED) | files_and_texts | set(WRITTEN) == fields
    assert not set(receipt.ASKED) & (files_and_texts | set(WRITTEN))


@pytest.mark.parametrize("value", ["\ud800", "ü", float("nan"), 1e300, 10**30, -0.0, True])
async def test_no_value_of_a_request_keeps_a_generation_from_ending(world: World, value: Any) -> None:
    """Whatever a message carried: it has a canonical form as a fact."""
    await made(world)
    generation = world.generation()
    assert isinstance(generation, Generation)
    strange = dict.fromkeys(receipt.ASKED, value)
    facts = receipt.facts_of(replace(generation, request=replace(generation.request, **strange)), ())
    assert json.loads(signed.canonical(facts)) == facts


async def test_the_entries_of_the_ledger_are_named(world: World) -> None:
    """By move, number and digest."""
    await made(world)
    generation = world.generation()
    assert isinstance(generation, Generation)
    facts = receipt.facts_of(generation, (LedgerRef("hold", 2, "a" * 64), LedgerRef("resolve", 3, "b" * 64)))
    assert facts["ledger"] == [
        {"move": "hold", "seq": 2, "digest": "a" * 64},
        {"move": "resolve", "seq": 3, "digest": "b" * 64},
    ]


@pytest.fixture
def world() -> World:
    """Ada has 10 credits."""
    return World()
