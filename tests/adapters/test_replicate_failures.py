"""Failed predictions by their texts: the table of real ones, and what must not be hit by a bare word."""

import tomllib
from pathlib import Path
from random import Random

import pytest

from shared.adapters.replicate.failures import failure_of
from shared.core.provider.failure import REASONS, Failure
from shared.core.reasons import Reason
from tests.timing import best_cpu_s

TABLE = tomllib.loads((Path(__file__).parent / "failure_texts.toml").read_text())
TEXTS = [(each["error"], Failure(each["class"])) for each in TABLE["texts"]]
ASIDE = frozenset(Random(TABLE["seed"]).sample(range(TABLE["drawn_from"]), 60))

#: What a wrong class costs: these end the generation, so that nobody else is asked.
FINAL = {Failure.CONTENT, Failure.INPUT, Failure.OPERATOR}


def wrong(texts: list[tuple[str, Failure]]) -> list[str]:
    """The texts that are not judged as they should be."""
    return [text for text, right in texts if failure_of(text) is not right]


def test_the_table_is_large_and_has_every_kind() -> None:
    """At least 120 real texts, none twice, each with its source, and sixty kept aside by the seed."""
    assert len(TEXTS) >= 120
    assert len({text for text, _ in TEXTS}) == len(TEXTS)
    assert all(each["source"] for each in TABLE["texts"])
    assert {right for _, right in TEXTS} == set(Failure)
    assert len(ASIDE) == 60


def test_real_texts_are_judged_right() -> None:
    """At most 3 of the whole table may be wrong; none is."""
    assert wrong(TEXTS) == []


def test_texts_kept_aside_are_judged_right() -> None:
    """The sixty that were not looked at while the rules were written."""
    assert wrong([TEXTS[index] for index in sorted(ASIDE)]) == []


def test_none_refuses_or_charges_wrongly() -> None:
    """A model's failure never ends a generation, and what is the user's own doing never tries the whole chain."""
    crossed = [text for text, right in TEXTS if (failure_of(text) in FINAL) is not (right in FINAL)]
    assert crossed == []


@pytest.mark.parametrize(
    "error",
    [
        "",
        "list index out of range",
        "[Errno 2] No such file or directory: '/src/moderation/flagged_words.txt'",
        "[Errno 2] No such file or directory: '/tmp/sensitive-regions.json'",
        "KeyError: 'moderated_at'",
        "invalid literal for int() with base 10: ''",
        "Input type (float) and bias type (c10::Half) must be the same",
        "mat1 and mat2 must have the same dtype",
        "tensor must be on the same device",
        "Invalid header: wrong magic number",
        "404 Client Error: Not Found for url: https://huggingface.co/api/models/owner/name/tree/main",
        "403 Client Error: Forbidden for url: https://cdn-lfs.huggingface.co/repos/ab/cd",
        "CUDA out of memory. (E1001)",
        "ValueError: not enough values to unpack (expected 2, got 1)",
        "Expected all tensors to be on the same device, but found at least two devices",
    ],
)
def test_a_bare_word_is_no_verdict(error: str) -> None:
    """Words that stand in file names, tensors and headers say nothing about the user: the next model is tried."""
    assert failure_of(error) is Failure.MODEL


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("Your request was rejected as a result of our safety system.", Failure.CONTENT),
        ("This request violates our content policy", Failure.CONTENT),
        ("ValueError: width must be divisible by 8", Failure.INPUT),
        ("`height` and `width` have to be divisible by 8 but are 1000 and 700.", Failure.INPUT),
        ("unable to read audio file", Failure.INPUT),
        ("No face detected in the picture", Failure.INPUT),
        ("410 Client Error: Gone for url: https://pictures.example/a.png", Failure.INPUT),
        ("503 Server Error: Service Unavailable for url: https://pictures.example/a.png", Failure.TRANSIENT),
        ("Error starting the container (E9243)", Failure.TRANSIENT),
        ("Internal webhook URL is empty (E4875)", Failure.OPERATOR),
    ],
)
def test_siblings_of_real_texts_are_judged_alike(error: str, failure: Failure) -> None:
    """The same sentence with another field, picture or code falls into the same class."""
    assert failure_of(error) is failure


def test_every_kind_has_a_reason() -> None:
    """The kind decides the sentence for the user; a missing credit of ours is never called the user's fault."""
    assert set(REASONS) == set(Failure)
    assert REASONS[Failure.OPERATOR] is Reason.PROVIDER_UNAVAILABLE


@pytest.mark.parametrize(
    "text", ["a" * 2000, "must be " * 250, "x_" * 1000, ") exceeds " * 200, "[1].a" * 400, "' \" " * 500]
)
def test_a_hostile_text_costs_no_time(text: str) -> None:
    """Whatever a model writes into its error, judging it takes milliseconds."""
    assert best_cpu_s(lambda: failure_of(text)) < 0.1
