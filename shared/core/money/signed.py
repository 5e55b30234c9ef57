"""Signed documents: the heads of ledgers and the receipts of generations.

Rules of this file:
1. What is signed is the canonical JSON of the facts with the key's id among them (docs/receipts.md): the same facts
   under the same key are the same bytes, and so is an Ed25519 signature.
2. Facts are objects, lists, texts, integers, booleans and null. A float has no form that all languages share.
3. A document comes from a stranger. It is read strictly and within bounds; what is wrong with it is a ValueError.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

#: The largest document that is read. A receipt with ten outputs has 8 KB.
MOST_BYTES = 1024 * 1024

#: How deep the facts of a document may be nested.
_MOST_DEPTH = 16

_KEY_ID, _SIGNATURE = "key_id", "signature"

_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature (128 hexadecimal digits) and the id of the key that made it."""

    key_id: str
    signature: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read: its facts, and its signature. Nothing is verified yet."""

    facts: Mapping[str, Any]
    signed_by: Signature

    @property
    def content(self) -> bytes:
        """The bytes that must have been signed."""
        return content(self.facts, self.signed_by.key_id)


def key_id_of(public_key: str) -> str:
    """The id of a public key: the first 16 digits of SHA-256 over its 32 bytes. ValueError for no public key."""
    if len(public_key) != 64 or not _HEX.fullmatch(public_key):
        raise ValueError("a public key of Ed25519 has 64 hexadecimal digits")
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def canonical(facts: Mapping[str, Any]) -> bytes:
    """Canonical JSON: keys sorted, no blanks, UTF-8, integers only. ValueError for what has no canonical form."""
    _check(facts, _MOST_DEPTH)
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def content(facts: Mapping[str, Any], key_id: str) -> bytes:
    """The bytes that are signed: the facts with the key's id."""
    return canonical({**facts, _KEY_ID: key_id})


def document(facts: Mapping[str, Any], signed_by: Signature) -> bytes:
    """The document: what was signed, with the signature in it."""
    return canonical({**facts, _KEY_ID: signed_by.key_id, _SIGNATURE: signed_by.signature})


def read(raw: bytes) -> Document:
    """Read a document, however it is laid out. ValueError, with what is wrong, for anything else."""
    facts = facts_of(raw)
    signed_by = Signature(_digits(facts, _KEY_ID, 16), _digits(facts, _SIGNATURE, 128))
    return Document({name: value for name, value in facts.items() if name not in (_KEY_ID, _SIGNATURE)}, signed_by)


def key_document(public_key: str) -> bytes:
    """A public key as it is published."""
    return canonical({"algorithm": "Ed25519", _KEY_ID: key_id_of(public_key), "public_key": public_key})


def read_key(raw: bytes | None) -> tuple[str, str] | None:
    """The id and the digits of a published key; None for anything else, and for a key under another's id."""
    try:
        facts = facts_of(raw or b"")
        public_key = _digits(facts, "public_key", 64)
    except ValueError:
        return None
    key_id = key_id_of(public_key)
    return (key_id, public_key) if facts.get(_KEY_ID) == key_id and facts.get("algorithm") == "Ed25519" else None


def read_keys(raw: bytes) -> list[tuple[str, str]]:
    """The ids and digits of a document of public keys. ValueError, with what is wrong, for anything else."""
    listed = facts_of(raw).get("keys")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("the keys must be an object with a list of keys")
    found = [(key_id_of(_digits(each, "public_key", 64)), str(each["public_key"])) for each in listed]
    if [key_id for key_id, _ in found] != [each.get(_KEY_ID) for each in listed]:
        raise ValueError("a key has an id that is not its own")
    return found


def facts_of(raw: bytes) -> Mapping[str, Any]:
    """Read a JSON object that has a canonical form, however it is laid out. ValueError for anything else."""
    if len(raw) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    try:
        facts = json.loads(raw.decode(), object_pairs_hook=_once, parse_float=_no_number, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON (line {error.lineno})") from None
    if not isinstance(facts, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004  # it is a stranger's value and not a caller's type
    _check(facts, _MOST_DEPTH)
    return facts


def _digits(facts: Mapping[str, Any], name: str, count: int) -> str:
    value = facts.get(name)
    if not isinstance(value, str) or len(value) != count or not _HEX.fullmatch(value):
        raise ValueError(f"{name} must have {count} hexadecimal digits")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are each there once: of two, readers take different ones."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no integer")


def _check(value: object, depth: int) -> None:
    """Raise ValueError unless a value has a canonical form."""
    if depth == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise ValueError("a name of an object must be an ASCII text")
            _check(each, depth - 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth - 1)
    elif isinstance(value, str):
        _check_text(value)
    elif value is not None and type(value) not in (int, bool):
        raise ValueError(f"a {type(value).__name__} has no canonical form")


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair has no canonical form") from None
