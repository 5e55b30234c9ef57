"""JSON of strangers: one bad value spoils nothing but itself, and nothing is raised."""

import json
import random
from typing import Any

import pytest
from hypothesis import settings

from shared.adapters.replicate.wire import prediction_of
from shared.core.provider.prediction import Prediction
from shared.core.requests.lenient_json import fields_of, parsed

GOOD: dict[str, Any] = {"id": "p" * 26, "status": "succeeded", "output": ['a "quoted", {odd} [text] \\', "é"]}
#: Of random cases there are as many as this says: a multiple, as for property tests.
EXAMPLES = settings().max_examples

DEEP = "[" * 5000 + "]" * 5000
LONG = "9" * 5000


def test_what_is_json_is_read_as_it_is() -> None:
    """Bytes or text."""
    assert parsed(json.dumps(GOOD)) == GOOD
    assert parsed(json.dumps(GOOD).encode()) == GOOD


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\xff\xfe\x00", DEEP.encode(), b"{", b'{"a":}', b"\xef\xbb\xbf"])
def test_what_is_no_json_is_not_read(raw: bytes) -> None:
    """Never an exception."""
    assert parsed(raw) is None
    assert fields_of(raw, "results") is None


def test_a_number_that_is_too_long_is_absent() -> None:
    """All else is there; so is a text that is no UTF-8."""
    assert parsed(f'{{"seed": {LONG}, "n": 7, "f": 1.5}}') == {"seed": None, "n": 7, "f": 1.5}
    assert parsed(b'{"seed": ' + LONG.encode() + b', "t": "\xff"}') == {"seed": None, "t": "\ufffd"}


@pytest.mark.parametrize(
    "bad", [f'{{"input": {DEEP}}}', DEEP, f'{{"id": "x", "input": {{"seed": {LONG}}}}}', "7", '""']
)
def test_a_bad_entry_leaves_the_others(bad: str) -> None:
    """Wherever it stands in the list."""
    good = json.dumps(GOOD)
    for entries in ([bad, good, good], [good, bad, good], [good, good, bad]):
        page = fields_of(
            f'{{"next": "https://n", "results": [ {" , ".join(entries)} ], "x": null}}'.encode(), "results"
        )
        assert page is not None
        assert page["next"] == "https://n"
        results = page["results"]
        assert isinstance(results, list)
        assert [entry for entry in results if isinstance(entry, dict) and entry.get("status")] == [GOOD, GOOD]


@pytest.mark.parametrize("results", ["[]", "[ ]", "null", "7", '"[1, 2]"', "{}"])
def test_a_page_that_is_cut_by_hand_is_the_page(results: str) -> None:
    """A deep field beside the list makes that necessary."""
    page = fields_of(f'{{"odd \\"name\\"": {DEEP}, "results": {results}, "previous": "a,b"}}'.encode(), "results")
    assert page is not None
    assert (page["results"], page["previous"]) == (json.loads(results), "a,b")
    assert page['odd "name"'] is None


def test_of_a_deep_entry_the_rest_is_read() -> None:
    """It may be the very one that is looked for."""
    deep = f'{{"id": "x", "output": {DEEP}, "status": "succeeded", "input": {{"seed": 7}}}}'
    page = fields_of(f'{{"results": [{deep}, {json.dumps(GOOD)}]}}'.encode(), "results")
    assert page == {"results": [{"id": "x", "output": None, "status": "succeeded", "input": {"seed": 7}}, GOOD]}


def test_a_page_that_is_cut_off_is_no_page() -> None:
    """Wherever: a search that finds nothing in it would start a second prediction."""
    for head in ("", f'{{"input": {DEEP}}}, '):
        page = f'{{"next": null, "results": [{head}{json.dumps(GOOD)}, {json.dumps(GOOD)}], "previous": null}}'
        for end in [*range(len(page) - 200, len(page)), *range(0, len(page) - 200, 997)]:
            assert fields_of(page[:end].encode(), "results") is None, end


@pytest.mark.parametrize("bad", ['{"a" 1}', "{1: 2}", "{a: 1}", '{"a": }', "nonsense", '{"a": 1,}', ""])
def test_a_page_that_is_broken_beside_what_is_deep_is_no_page(bad: str) -> None:
    """Only depth is forgiven."""
    page = f'{{"results": [{{"input": {DEEP}}}, {bad}, {json.dumps(GOOD)}]}}'
    assert fields_of(page.encode(), "results") is None


def test_whatever_is_cut_off_or_changed_raises_nothing() -> None:
    """20,000 mutations of a page, deep and shallow; in the quick run a fifth of them."""
    chance = random.Random(13)
    page = f'{{"next": null, "results": [{json.dumps(GOOD)}, {{"input": {DEEP[4000:6000]}}}]}}'.encode()
    for _ in range(200 * EXAMPLES):
        changed = bytearray(page if chance.random() < 0.1 else page[:200])
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.choice(b'{}[]",:\\x09\xff')
        found = fields_of(bytes(changed[: chance.randint(1, len(changed))]), "results")
        assert found is None or isinstance(found, dict)


_VALUES: list[Any] = [
    None,
    True,
    -1,
    10**400,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "x" * 10_000,
    "\ud800",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "https://[",
    "https://a/?user=u&generation=g&attempt=" + LONG,
    [],
    {},
    [None],
    {"": {"": ""}},
]


def nested(depth: int, leaf: Any = "x") -> Any:
    """Returns lists and objects nested to a depth."""
    for number in range(depth):
        leaf = [leaf] if number % 2 else {"k": leaf}
    return leaf


@pytest.mark.parametrize(
    "name", ["model", "output", "error", "metrics", "webhook", "input", "created_at", "completed_at"]
)
def test_a_prediction_is_read_whatever_a_field_holds(name: str) -> None:
    """The field is absent at worst; the prediction is there, can be written, and is read back the same."""
    for value in [*_VALUES, *map(nested, (10, 300, 600, 900, 5000)), {"predict_time": nested(600)}]:
        prediction = prediction_of({**GOOD, name: value})
        assert prediction is not None, (name, type(value))
        assert prediction.prediction_id == GOOD["id"]
        again = Prediction.from_json(json.loads(json.dumps(prediction.to_json()))) if value != 10**400 else prediction
        assert again is not None


@pytest.mark.parametrize("value", [*_VALUES, nested(600), nested(5000)])
def test_what_is_no_prediction_is_not_read_as_one(value: Any) -> None:
    """Neither its id nor its status is guessed."""
    assert prediction_of(value) is None
    assert prediction_of({**GOOD, "id": value}) is None
