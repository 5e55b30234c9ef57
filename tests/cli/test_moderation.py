"""moderation explain, moderation diff."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shared.core.keys import Key
from shared.core.safety.moderation import evaluate, unscreened
from shared.core.safety.policy_file import parse_policy
from shared.core.safety.screening_record import record
from tests.cli.counter import ENV, Counter

POLICY = (Path(__file__).parents[2] / "shared" / "core" / "safety" / "moderation.toml").read_text(encoding="utf-8")
GORY, MILD = Key("ada", "gory"), Key("ada", "mild")


def policy(folder: Path, text: str) -> str:
    """A policy file."""
    file = folder / "new.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_refusal_is_explained_without_the_prompt(counter: Counter) -> None:
    """Category, severity, screener, policy; and the user's answer."""
    counter.request(GORY, prompt="a gory battle")
    called = counter.call("moderation", "explain", "gory", "--user", "ada")
    assert called.code == 0
    for said in ("prompt", "refused: Violence (violence)", "Violence 6", "content_safety", "test, plan premium"):
        assert said in called.out
    assert "PROMPT_REFUSED" in called.out
    assert "battle" not in called.out


def test_an_allowed_generation_is_explained_too(counter: Counter) -> None:
    """Prompt and output have a verdict each, in JSON for programs."""
    counter.generate(MILD, prompt="a mild breeze")
    printed = json.loads(counter.call("moderation", "explain", "mild", "--json").out)
    assert [(record["subject"], record["allowed"]) for record in printed] == [("prompt", True), ("output 1.0", True)]
    assert printed[0]["severities"]["Violence"] == 2


def test_a_generation_without_a_screening_says_so(counter: Counter) -> None:
    """It was refused before it was screened."""
    counter.request(GORY, model="flux-9")
    assert "Nothing of it was screened" in counter.call("moderation", "explain", "gory").out


def test_an_unknown_generation_is_not_explained(counter: Counter) -> None:
    """The exit code is 1."""
    called = counter.call("moderation", "explain", "nothing")
    assert called.code == 1
    assert "There is no generation" in called.err


def test_a_stricter_policy_lists_what_it_would_refuse(counter: Counter, tmp_path: Path) -> None:
    """A milder one lists what it would allow. Verdicts that stay the same are only counted."""
    counter.request(GORY, prompt="a gory battle")
    counter.request(MILD, prompt="a mild breeze")
    counter.request(Key("ada", "safe"))
    stricter = policy(tmp_path, POLICY.replace("Violence = 4", "Violence = 2", 1))
    called = counter.call("moderation", "diff", "--policy", stricter)
    assert [line.split() for line in called.out.splitlines()[1:]] == [
        ["ada", "mild", "prompt", "allowed", "refused", "Violence", "2"]
    ]
    assert "3 verdicts" in called.err
    assert "1 would be refused, 0 allowed" in called.err
    milder = policy(tmp_path, POLICY.replace("Violence = 4", "Violence = 8", 1))
    called = counter.call("moderation", "diff", "--policy", milder)
    assert [line.split() for line in called.out.splitlines()[1:]] == [
        ["ada", "gory", "prompt", "refused", "allowed", "Violence"]
    ]


def test_an_unscreened_output_is_replayed_and_explained(counter: Counter, tmp_path: Path) -> None:
    """A video was refused because no screener takes videos. A policy that lets videos pass would allow it."""
    counter.request(MILD)
    assessment, strict = unscreened("video"), parse_policy(POLICY)
    seen = record(
        "output 1.0",
        assessment,
        evaluate(strict, assessment),
        policy=strict,
        plan="premium",
        digest="",
        now=counter.time,
    )
    counter.store.put_generation(replace(counter.generation(MILD), screenings=(seen,)))
    explained = counter.call("moderation", "explain", "mild").out
    assert "refused: no screener was available" in explained
    assert "video" in explained
    willing = policy(tmp_path, POLICY.replace('unscreened = ["training"]', 'unscreened = ["video"]', 1))
    called = counter.call("moderation", "diff", "--policy", willing)
    assert [line.split() for line in called.out.splitlines()[1:]] == [
        ["ada", "mild", "output", "1.0", "refused", "allowed", "unscreened", "video"]
    ]


def test_only_recent_verdicts_are_replayed(counter: Counter, tmp_path: Path) -> None:
    """``--since`` says how far back."""
    counter.request(GORY, prompt="a gory battle")
    counter.pass_time(3 * 3600)
    milder = policy(tmp_path, POLICY.replace("Violence = 4", "Violence = 8", 1))
    assert "gory" not in counter.call("moderation", "diff", "--policy", milder, "--since", "2h").out
    assert "gory" in counter.call("moderation", "diff", "--policy", milder, "--since", "4h").out


def test_threshold_settings_apply_to_the_other_policy(counter: Counter, tmp_path: Path) -> None:
    """The other policy is applied as the app would apply it."""
    counter.request(GORY, prompt="a gory battle")
    milder = policy(tmp_path, POLICY.replace("Violence = 4", "Violence = 8", 1))
    settings = type(counter.operations.settings).from_env(ENV | {"REFUSE_VIOLENCE_FROM": "4"})
    counter.operations.settings = settings
    assert "gory" not in counter.call("moderation", "diff", "--policy", milder).out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--policy", "nowhere.toml"), "nowhere.toml"),
        (("--since", "7 days"), "--since"),
        (("--since", "d"), "--since"),
        ((), "--policy"),
    ],
)
def test_an_unreadable_argument_is_named(counter: Counter, tmp_path: Path, argv: tuple[str, ...], says: str) -> None:
    """A file or a span; the exit code is 2."""
    if argv[:1] == ("--since",):
        argv = (*argv, "--policy", policy(tmp_path, POLICY))
    called = counter.call("moderation", "diff", *argv)
    assert called.code == 2
    assert says in called.err


def test_a_bad_policy_names_its_place(counter: Counter, tmp_path: Path) -> None:
    """The error is the same as the app's."""
    called = counter.call("moderation", "diff", "--policy", policy(tmp_path, POLICY.replace("Hate = 4", "Hate = 0")))
    assert called.code == 2
    assert "refuse_from.Hate" in called.err


def test_a_policy_that_is_no_text_is_named(counter: Counter, tmp_path: Path) -> None:
    """By its file."""
    file = tmp_path / "policy.toml"
    file.write_bytes(b"\xff\xfe")
    called = counter.call("moderation", "diff", "--policy", str(file))
    assert (called.code, f"{file} is not text in UTF-8" in called.err) == (2, True)
