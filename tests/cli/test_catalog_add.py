"""catalog add and price: an operator's own catalogue file, written from a schema in a file. The real files are used.

What is read from Replicate is in tests/adapters/replicate_api/test_catalog_add.py, a blob in tests/adapters.
"""

import copy
import io
import json
import tomllib
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from shared.cli.main import run
from shared.config.data_files import check_catalog
from shared.core.catalog.catalog import Model, Status
from tests.cli.counter import Called, _typing

SCHEMA: dict[str, Any] = {
    "is_official": True,
    "components": {
        "schemas": {
            "Input": {
                "required": ["prompt"],
                "properties": {
                    "prompt": {"type": "string", "x-order": 0},
                    "image": {"type": "string", "format": "uri", "x-order": 1},
                    "steps": {"type": "integer", "minimum": 1, "maximum": 40, "default": 20, "x-order": 2},
                    "disable_safety_checker": {"type": "boolean", "default": False, "x-order": 3},
                },
            },
            "Output": {"type": "array", "items": {"type": "string", "format": "uri"}},
        }
    },
}
PRICE = ("--price", "0.04/image", "--page", "https://replicate.com/acme/paint", "--day", "2026-11-01")
WHOLE = (*PRICE, "--tier", "basic", "--quality", "standard", "--accept", "all")


def with_inputs(**more: Any) -> dict[str, Any]:
    """The schema with more inputs."""
    wider = copy.deepcopy(SCHEMA)
    wider["components"]["schemas"]["Input"]["properties"] |= more
    return wider


def call(*argv: str, answer: str = "", env: Mapping[str, str] | None = None) -> Called:
    """Run a command without any setting, unless the test gives one."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), _typing(answer):
        code = run(["catalog", *argv], env=env or {}, program="darkroom")
    return Called(code, out.getvalue(), err.getvalue())


class Workspace:
    """An operator's folder: a schema, and the catalogue file."""

    def __init__(self, folder: Path) -> None:
        self.schema, self.file = folder / "schema.json", folder / "mine.toml"
        self.schema.write_text(json.dumps(SCHEMA), encoding="utf-8")

    def add(self, *argv: str, answer: str = "", env: Mapping[str, str] | None = None) -> Called:
        """Add the model of the schema."""
        where = ("--from", str(self.schema), "--file", str(self.file))
        return call("add", "acme/paint", *where, *argv, answer=answer, env=env)

    def models(self) -> Mapping[str, Any]:
        """What the file says."""
        read: Mapping[str, Any] = tomllib.loads(self.file.read_text(encoding="utf-8"))["models"]
        return read

    def read(self, name: str = "paint") -> Model:
        """The model as the app would read it."""
        return check_catalog(self.file.read_text(encoding="utf-8"), "mine.toml").models[name]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A folder without a catalogue."""
    return Workspace(tmp_path)


def test_a_draft_is_written_with_its_guesses_and_is_not_offered(workspace: Workspace) -> None:
    """No settings are needed. Guesses, what is not sent, and what is still to be done are printed."""
    called = workspace.add()
    assert (called.code, called.err) == (0, "")
    assert workspace.read().status is Status.DRAFT
    assert workspace.read().marks["inputs.image"] == "taken as image_url: its name says so"
    assert "disable_safety_checker" not in workspace.read().inputs
    for said in (
        "disable_safety_checker  it changes the model's own safety",
        "num_inference_steps  taken as num_inference_steps: its name says so",
        "It is not offered yet: it has no price. darkroom catalog price paint gives it one.",
        "- Set CATALOG_FILE to it",
        "- Restart the app",
    ):
        assert said in called.out


def test_with_all_that_replicate_does_not_publish_it_is_offered(workspace: Workspace) -> None:
    """The price has its page and day; the credits are those of the margin rule: 0.04 USD / 0.008."""
    assert workspace.add(*WHOLE).code == 0
    model = workspace.read()
    assert (model.status, model.credits, model.tier.label, model.quality) == (Status.ACTIVE, 5, "basic", "standard")
    assert (model.price_page, str(model.price_date)) == ("https://replicate.com/acme/paint", "2026-11-01")
    assert model.marks == {}


def test_questions_fill_in_what_was_not_said(workspace: Workspace) -> None:
    """Tier, quality, price, then each guess: kept, left open, or changed. A wrong answer is asked again."""
    page, day = PRICE[3], PRICE[5]
    answers = ["gold", "premium", "standard"]
    answers += ["0.04/pixel", page, day, ""]  # a wrong price is asked again
    answers += ["0.04/image", page, day, ""]
    # modality, cancel_after_s, black_is_refusal, expected_s, and two inputs
    answers += ["", "open", "oops", "false", "7", "", ""]
    called = workspace.add("--ask", answer="\n".join(answers) + "\n")
    assert called.code == 0, called.err
    model = workspace.read()
    assert (model.tier.label, model.credits, model.expected_s, model.black_is_refusal) == ("premium", 5, 7, False)
    assert model.marks.keys() == {"cancel_after_s"}
    assert "a price must be USD for a unit" in called.err
    assert "'oops' is no value of TOML" in called.err


def test_a_value_is_set_and_its_mark_closed(workspace: Workspace) -> None:
    """A whole place, a part of an input, and an input that goes."""
    changes = ("--set", "expected_s=7", "--set", "inputs.steps.to=30", "--set", "inputs.image=")
    assert workspace.add(*changes).code == 0
    model = workspace.read()
    assert (model.expected_s, model.inputs["steps"].high, "image" in model.inputs) == (7, 30, False)
    assert {"expected_s", "inputs.steps", "inputs.image"} & model.marks.keys() == set()


BROKEN = "[models.broken]\nreplicate = 7\n"


@pytest.mark.parametrize(
    ("before", "argv", "words"),
    [
        (BROKEN, (), "mine.toml: model broken, "),
        ("models = 7\n", (), "models: must be a table"),
        ("[models", (), "is not TOML"),
        ("[models.paint]\ncredits = 1\n", (), "has a model paint already. --replace replaces it."),
        ("models.paint.credits = 1\n", ("--replace",), "write it by hand"),
        ("", ("--price", "0.04/image"), "A price needs the page"),
        ("", (*PRICE[:4], "--day", "2999-01-01"), "has not been yet"),
        ("", (*PRICE[:4], "--day", "soon"), "A price needs the day"),
        ("", ("--price", "0.0000001/image", *PRICE[2:]), "with at most six decimals"),
        ("", ("--price", "nan/image", *PRICE[2:]), "a price must be USD"),
        ("", ("--price", "0.001/gpu_second", *PRICE[2:]), "Say --run-s"),
        ("", ("--price", "0.1/second", *PRICE[2:]), "needs an input for the duration"),
        ("", ("--credits", "3"), "go with a price"),
        ("", ("--accept", "nothing"), "nothing has no open mark"),
        ("", ("--set", "output"), "--set must be PLACE=VALUE"),
        ("", ("--set", "output=list"), "is no value of TOML"),
        ("", ("--set", 'output="heap"'), "output: must be one of"),
        ("", ("--set", "inputs.none.to=3"), "there is no inputs.none"),
        ("", ("--tier", "gold"), "tier: must be one of"),
        ("", ("--set", "inputs=1"), "inputs: must be a table"),
        ("", ("--name", "sdxl"), "The catalogue's sdxl is stability-ai/sdxl. Say another --name."),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(
    workspace: Workspace, before: str, argv: tuple[str, ...], words: str
) -> None:
    """The whole catalogue is checked first; the file stays byte for byte."""
    if before:
        workspace.file.write_text(before, encoding="utf-8")
    called = workspace.add(*argv)
    assert (called.code, called.out) == (1, "")
    assert words in called.err
    assert "Traceback" not in called.err
    assert (workspace.file.read_text(encoding="utf-8") if workspace.file.exists() else "") == before


def test_what_else_is_in_the_file_stays_as_it_is(workspace: Workspace) -> None:
    """Comments and other models keep their bytes, also if an entry is replaced between them."""
    head = '# mine\nversion = "7"\n\n# cheap here\n[models.flux-dev]\ncredits = 3 # three\n'
    tail = "\n# ours\n[models.flux-schnell]\ncredits = 2\n"
    workspace.file.write_text(head + "\n[models.paint]\ncredits = 1\n" + tail, encoding="utf-8")
    assert workspace.add(*WHOLE, "--replace").code == 0
    text = workspace.file.read_text(encoding="utf-8")
    assert text.startswith(head + tail)
    assert workspace.models().keys() == {"flux-dev", "flux-schnell", "paint"}


def test_a_replaced_entry_keeps_what_no_schema_says(workspace: Workspace) -> None:
    """What a request may set stays, and so do fallback and margin. What the model no longer has goes, and is named."""
    workspace.schema.write_text(json.dumps(with_inputs(mood={"type": "string"}, raw={"type": "boolean"})))
    by_hand = """fallback = ["flux-schnell"]
min_margin_percent = 35
[models.paint.settable]
mood = { type = "text", most_characters = 200, price_percent = 150 }
raw = { type = "flag", default = false, price_percent = 100 }
image = { type = "image", price_percent = 100 }
"""
    assert workspace.add(*WHOLE, "--set", "inputs.image=").code == 0
    before = workspace.file.read_text(encoding="utf-8").split("\n\n[models.paint.inputs]")
    workspace.file.write_text(f"{before[0]}\n{by_hand}\n[models.paint.inputs]{before[1]}", encoding="utf-8")
    assert workspace.read().settable.keys() == {"mood", "raw", "image"}

    workspace.schema.write_text(json.dumps(with_inputs(mood={"type": "string"})))
    called = workspace.add(*WHOLE, "--replace")
    assert called.code == 0, called.err
    model = workspace.read()
    assert workspace.models()["paint"]["settable"] == {
        "mood": {"type": "text", "most_characters": 200, "price_percent": 150}
    }
    assert (model.fallback, model.min_margin_percent, model.status) == (("flux-schnell",), 35, Status.ACTIVE)
    assert model.credits == 7  # 0.04 USD, of which 35 % are left
    for said in (
        "raw                     a request could set it, and the model no longer has it",
        "image                   a request could set it, and image_url fills it now",
    ):
        assert said in called.out
    assert "# Not sent: raw (a request could set it, and the model no longer has it)." in workspace.file.read_text()
    assert "Not sent: mood" not in workspace.file.read_text(encoding="utf-8")


def test_the_apps_own_file_is_never_written(workspace: Workspace) -> None:
    """Neither the catalogue nor anything else in the app's folder; two files named at once are a mistake."""
    own = Path(__file__).parents[2] / "shared" / "core" / "catalog" / "catalog.toml"
    before = own.read_bytes()
    for env, file in (({}, own), ({"CATALOG_FILE": str(own)}, None)):
        given = ("--file", str(file)) if file else ()
        called = call("add", "acme/paint", "--from", str(workspace.schema), *given, env=env)
        assert (called.code, "the app's own file" in called.err) == (1, True)
    assert own.read_bytes() == before
    called = call(
        "add", "acme/paint", "--from", str(workspace.schema), "--file", "a.toml", env={"CATALOG_FILE": "b.toml"}
    )
    assert "CATALOG_FILE is b.toml, and --file is a.toml" in called.err
    assert "Which file is your catalogue?" in call("add", "acme/paint", "--from", str(workspace.schema)).err


def test_the_setting_names_the_file(workspace: Workspace) -> None:
    """CATALOG_FILE alone is enough, and then it need not be set any more."""
    called = call("add", "acme/paint", "--from", str(workspace.schema), env={"CATALOG_FILE": str(workspace.file)})
    assert called.code == 0
    assert "paint" in workspace.models()
    assert "Set CATALOG_FILE" not in called.out


@pytest.mark.parametrize("raw", [b"{", b"[" * 100_000, b"7", b"\xff", b'{"components": 7}'])
def test_a_file_that_is_no_schema_is_refused(workspace: Workspace, raw: bytes) -> None:
    """Whatever it is, the error says what is wrong with it."""
    workspace.schema.write_bytes(raw)
    called = workspace.add()
    assert called.code == 1
    assert "is not JSON" in called.err or "no inputs are published" in called.err


@pytest.mark.parametrize("name", ["paint", "acme/", "/paint", "a/b/c", "acme/paint:7"])
def test_a_model_is_owner_and_name(workspace: Workspace, name: str) -> None:
    """Nothing else is looked up."""
    called = call("add", name, "--from", str(workspace.schema), "--file", str(workspace.file))
    assert (called.code, "must be OWNER/NAME" in called.err) == (1, True)


def test_showing_writes_nothing(workspace: Workspace) -> None:
    """--show needs no catalogue file."""
    called = call("add", "acme/paint", "--from", str(workspace.schema), "--show")
    assert called.code == 0
    assert "[models.paint]" in called.out
    assert not workspace.file.exists()


# catalog price


def priced(workspace: Workspace, *argv: str, env: Mapping[str, str] | None = None) -> Called:
    """Give models a price."""
    return call("price", *argv, "--file", str(workspace.file), env=env)


def test_a_price_offers_a_model_that_had_none(workspace: Workspace) -> None:
    """With its page, its day and the credits that follow."""
    workspace.add("--accept", "all")
    assert workspace.read().status is Status.UNPRICED
    called = priced(workspace, "paint", *PRICE)
    assert called.code == 0
    model = workspace.read()
    assert (model.status, model.credits, model.price_page) == (Status.ACTIVE, 5, PRICE[3])
    assert "paint  active        5  output" in called.out


def test_a_price_changes_nothing_else_of_a_model_of_the_app(workspace: Workspace) -> None:
    """The operator's file gets the fields of the price alone; credits per second stay per second."""
    assert priced(workspace, "ray-2-720p", "--price", "0.2/second", *PRICE[2:]).code == 0
    entry = workspace.models()["ray-2-720p"]
    assert entry.keys() == {"credits", "credits_per", "prices", "price_date", "price_page"}
    assert (entry["credits"], entry["credits_per"]) == (25, "second")


def test_several_models_get_one_price_or_none_does(workspace: Workspace) -> None:
    """An unknown name is named, and nothing is written."""
    called = priced(workspace, "flux-dev", "black-forest-labs/flux-schnell", "smudge", *PRICE)
    assert called.code == 1
    assert "smudge is not in the catalogue" in called.err
    assert not workspace.file.exists()
    assert priced(workspace, "flux-dev", "black-forest-labs/flux-schnell", *PRICE).code == 0
    assert workspace.models().keys() == {"flux-dev", "flux-schnell"}


def test_a_price_needs_to_be_said(workspace: Workspace) -> None:
    """Without one there is nothing to write."""
    assert "Which price?" in priced(workspace, "flux-dev").err


@pytest.mark.parametrize(
    ("credit_usd", "own_margin", "expected"),
    [
        ("", "", 5),  # 0.04 / (0.01 * 0.8)
        ("0.02", "", 3),  # 0.04 / (0.02 * 0.8) = 2.5
        ("0.005", "", 10),
        ("0.02", "60", 5),  # 0.04 / (0.02 * 0.4)
        ("0.02", "0", 2),
    ],
)
def test_credits_are_proposed_for_what_a_credit_is_sold_for(
    workspace: Workspace, credit_usd: str, own_margin: str, expected: int
) -> None:
    """CREDIT_USD and the entry's own least margin count, for both commands and for an answered question."""
    env = {"CREDIT_USD": credit_usd}
    margin = ("--set", f"min_margin_percent={own_margin}") if own_margin else ()
    assert workspace.add(*margin, *WHOLE, env=env).code == 0
    assert workspace.read().credits == expected
    assert priced(workspace, "paint", *PRICE, "--credits", "99", env=env).code == 0
    assert workspace.read().credits == 99
    assert priced(workspace, "paint", *PRICE, env=env).code == 0
    assert workspace.read().credits == expected
    unpriced = ("--tier", "basic", "--quality", "standard", "--accept", "all", "--replace", "--ask")
    answers = "\n".join(["0.04/image", PRICE[3], PRICE[5], "", ""])
    assert workspace.add(*margin, *unpriced, answer=answers, env=env).code == 0
    assert workspace.read().credits == expected


@pytest.mark.parametrize(
    ("tier", "own_margin", "expected"),
    [
        ("premium", "", 7),  # only the premium plan includes it: 0.04 / (0.01 * 0.6)
        ("basic", "", 8),  # the basic plan keeps more: 0.04 / (0.01 * 0.5)
        ("free", "", 8),  # the free plan keeps less
        ("basic", "10", 5),  # the entry's own takes precedence
    ],
)
def test_credits_are_proposed_for_the_plan_that_keeps_most(
    workspace: Workspace, tmp_path: Path, tier: str, own_margin: str, expected: int
) -> None:
    """Of the plans whose tier includes the model, for both commands; none of them is below its margin then."""
    plans = tmp_path / "plans.toml"
    margins = {"free": 30, "basic": 50, "premium": 40}
    plans.write_text("".join(f"[plans.{name}]\nmin_margin_percent = {each}\n" for name, each in margins.items()))
    env = {"CREDIT_USD": "0.01", "PLANS_FILE": str(plans)}
    margin = ("--set", f"min_margin_percent={own_margin}") if own_margin else ()
    said = (*PRICE, "--tier", tier, "--quality", "standard", "--accept", "all")
    assert workspace.add(*margin, *said, env=env).code == 0
    assert workspace.read().credits == expected
    priced(workspace, "paint", *PRICE, env=env)
    assert workspace.read().credits == expected
    assert f"credits = {expected}" in workspace.add("--show", *margin, *said, env=env).out
    if not own_margin:
        priced(workspace, "paint", *PRICE, "--tier", "premium", env=env)
        assert workspace.read().credits == 7


@pytest.mark.parametrize("own", ["100", "-1", '"much"', "true", "0.5"])
def test_a_wrong_least_margin_is_named(workspace: Workspace, own: str) -> None:
    """Before credits are calculated with it. Nothing is written."""
    called = workspace.add("--set", f"min_margin_percent={own}", *WHOLE)
    assert (called.code, called.out) == (1, "")
    assert "min_margin_percent" in called.err
    assert not workspace.file.exists()


def test_a_wrong_price_of_a_credit_is_named(workspace: Workspace) -> None:
    """Nothing is written with it."""
    for called in (
        workspace.add(*WHOLE, env={"CREDIT_USD": "a cent"}),
        priced(workspace, "flux-dev", *PRICE, env={"CREDIT_USD": "0"}),
    ):
        assert (called.code, called.out) == (1, "")
        assert "CREDIT_USD must be USD above 0" in called.err
    assert not workspace.file.exists()
