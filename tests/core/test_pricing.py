"""What a prediction cost: each unit by its own count, measured before asked, and no garbage breaks it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.adapters.replicate.metrics import measured_of
from shared.core.events.generation_event import Output
from shared.core.lifecycle.attempt import Attempt, Delivery, cost_of
from shared.core.modality import Modality
from shared.core.money import pricing
from shared.core.money.pricing import Made, Price, Unit
from shared.core.provider.guarantees import PROVIDERS, REPLICATE, Kind
from shared.core.provider.prediction import Prediction, Status


def cost_usd_micros(prices: Iterable[Price], metrics: Mapping[str, Any], made: Made) -> int:
    """The cost by metrics as Replicate names them."""
    return pricing.cost_usd_micros(prices, measured_of(metrics), made)


def canceled_cost_usd_micros(prices: Iterable[Price], metrics: Mapping[str, Any]) -> int:
    """The same of what was canceled."""
    return pricing.canceled_cost_usd_micros(prices, measured_of(metrics))


#: An NVIDIA A100 (80 GB), for each second.
A100 = Price(Unit.GPU_SECOND, 1_400)
FOUR_CENTS = Price(Unit.IMAGE, 40_000)

#: What Replicate measured of one flux-1.1-pro picture, with a run so long that its seconds would be dear.
SLOW_PICTURE = {"image_count": 1, "image_output_count": 1, "predict_time": 715.0, "total_time": 720.0}


@pytest.mark.parametrize(
    ("unit", "metrics", "made", "count"),
    [
        (Unit.IMAGE, {}, Made(outputs=3), 3),
        (Unit.IMAGE, {"image_output_count": 2}, Made(outputs=3), 2),
        (Unit.IMAGE, {"image_count": 2}, Made(outputs=3), 2),
        (Unit.IMAGE, {"image_output_count": 1, "image_count": 2}, Made(outputs=3), 1),
        (Unit.IMAGE, {"image_output_count": 0}, Made(outputs=3), 0),
        (Unit.SECOND, {}, Made(outputs=1, seconds=9), 9),
        (Unit.SECOND, {"video_output_duration_seconds": 5}, Made(outputs=1, seconds=9), 5),
        (Unit.SECOND, {"audio_output_duration_seconds": 7.5}, Made(outputs=1, seconds=9), 7.5),
        (Unit.RUN, {"predict_time": 100.0}, Made(outputs=4), 1),
        (Unit.GPU_SECOND, {"predict_time": 3.5, "total_time": 60}, Made(outputs=4, seconds=9), 3.5),
        (Unit.GPU_SECOND, {"total_time": 60}, Made(outputs=4, seconds=9), 0),
        (Unit.MEGAPIXEL_IN, {}, Made(outputs=1, inputs=2), 2),
        (Unit.MEGAPIXEL_IN, {"image_input_megapixel_count": 3}, Made(outputs=1, inputs=2), 3),
        (Unit.MEGAPIXEL_OUT, {"image_output_megapixel_count": 2}, Made(outputs=1, megapixels=1.05), 2),
        (Unit.MEGAPIXEL_OUT, {}, Made(outputs=2, megapixels=2.5), 2.5),
        (Unit.MEGAPIXEL_OUT, {}, Made(outputs=2), 2),
        (Unit.MILLION_TOKENS_IN, {"token_input_count": 500_000}, Made(outputs=1), 0.5),
        (Unit.MILLION_TOKENS_IN, {"input_token_count": 500_000}, Made(outputs=1), 0.5),
        (Unit.MILLION_TOKENS_OUT, {"token_output_count": 250_000}, Made(outputs=1), 0.25),
        (Unit.MILLION_TOKENS_OUT, {"output_token_count": 250_000}, Made(outputs=1), 0.25),
        (Unit.MILLION_TOKENS_OUT, {}, Made(outputs=1), 0),
    ],
)
def test_each_unit_is_counted_by_its_own(unit: Unit, metrics: dict[str, Any], made: Made, count: float) -> None:
    """A measured quantity takes precedence over a requested one; seconds count for one processor only."""
    assert cost_usd_micros([Price(unit, 1_000_000)], metrics, made) == count * 1_000_000


def test_every_unit_has_its_case() -> None:
    """A unit that nobody counts would cost nothing for ever."""
    plenty = Made(outputs=1, megapixels=1, seconds=1, inputs=1)
    metrics = {"predict_time": 1, "input_token_count": 1, "output_token_count": 1}
    assert [unit for unit in Unit if not cost_usd_micros([Price(unit, 1_000_000)], metrics, plenty)] == []


def test_a_picture_with_a_fixed_price_costs_it_however_long_it_took() -> None:
    """By the processor's seconds the same 0.04 USD would seem 25 times dearer."""
    by_the_second = cost_usd_micros([A100], SLOW_PICTURE, Made(outputs=1))
    assert cost_usd_micros([FOUR_CENTS], SLOW_PICTURE, Made(outputs=1)) == 40_000
    assert by_the_second > 25 * 40_000


def test_several_prices_add_up() -> None:
    """Flux-2-pro: a run, each megapixel in, each megapixel out."""
    prices = [Price(Unit.RUN, 15_000), Price(Unit.MEGAPIXEL_IN, 15_000), Price(Unit.MEGAPIXEL_OUT, 15_000)]
    assert cost_usd_micros(prices, {}, Made(outputs=1, megapixels=2.0, inputs=1)) == 15_000 * 4


def test_nothing_is_charged_without_a_price() -> None:
    """A model whose price nobody knows."""
    assert cost_usd_micros([], SLOW_PICTURE, Made(outputs=1)) == 0


def test_a_part_of_a_micro_is_a_whole_one() -> None:
    """Rounded up once, over the sum: ten tokens in and ten out are not two roundings."""
    tokens = {"input_token_count": 10, "output_token_count": 10}
    prices = [Price(Unit.MILLION_TOKENS_IN, 50_000), Price(Unit.MILLION_TOKENS_OUT, 30_000)]
    assert cost_usd_micros([Price(Unit.MILLION_TOKENS_IN, 50_000)], {"input_token_count": 1}, Made(outputs=1)) == 1
    assert cost_usd_micros(prices, tokens, Made(outputs=1)) == 1


@given(st.integers(0, 10**7), st.integers(0, 10**8))
@example(30_000, 17_000)
def test_tokens_are_paid_to_the_micro(usd_micros: int, tokens: int) -> None:
    """No rounding of ours makes them a micro dearer, or cheaper, than the price by the million says."""
    exact = math.ceil(Fraction(usd_micros * tokens, 1_000_000))
    price = Price(Unit.MILLION_TOKENS_OUT, usd_micros)
    assert cost_usd_micros([price], {"output_token_count": tokens}, Made(outputs=1)) == exact


@pytest.mark.parametrize(
    "nonsense", [True, "12", None, -1, -0.5, math.nan, math.inf, -math.inf, 10**400, 1e9, [1], {"a": 1}]
)
def test_what_is_no_count_was_not_measured(nonsense: object) -> None:
    """Then what was asked counts."""
    metrics: Any = {"image_output_count": nonsense}
    assert cost_usd_micros([FOUR_CENTS], metrics, Made(outputs=2)) == 80_000


def test_an_older_name_serves_where_the_newer_says_nonsense() -> None:
    """The next name is looked at."""
    metrics: Any = {"image_output_count": "two", "image_count": 2}
    assert cost_usd_micros([FOUR_CENTS], metrics, Made(outputs=1)) == 80_000


_ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())
_NAMES = st.sampled_from(
    ["predict_time", "image_count", "image_output_count", "video_output_duration_seconds", "token_input_count"]
) | st.text(max_size=5)


@given(
    prices=st.lists(st.builds(Price, st.sampled_from(Unit), st.integers(0, 10**12))),
    metrics=st.dictionaries(_NAMES, _ANYTHING),
    made=st.builds(
        Made,
        outputs=st.integers(0, 100),
        megapixels=st.floats(0, 1e6),
        seconds=st.integers(0, 86_400),
        inputs=st.integers(0, 10),
    ),
)
def test_no_metrics_make_a_cost_negative_or_impossible(prices: list[Price], metrics: Any, made: Made) -> None:
    """Whatever the provider's bag holds."""
    for cost in (cost_usd_micros(prices, metrics, made), canceled_cost_usd_micros(prices, metrics)):
        assert isinstance(cost, int)
        assert cost >= 0


def test_what_was_canceled_cost_its_machine_up_to_then() -> None:
    """And nothing else for sure: no picture was made, no run was whole."""
    metrics = {"predict_time": 2.5, "image_output_count": 1}
    assert canceled_cost_usd_micros([A100, FOUR_CENTS, Price(Unit.RUN, 9)], metrics) == 3_500
    assert canceled_cost_usd_micros([A100], {}) == 0


# An attempt, and what became of it.

ATTEMPT = Attempt(
    number=1,
    posts=1,
    model="flux-2-pro",
    provider=REPLICATE,
    kind=Kind.PREDICTION,
    guarantees=PROVIDERS[REPLICATE][Kind.PREDICTION],
    target="black-forest-labs/flux-2-pro",
    inputs={"prompt": "a lighthouse"},
    seed=7,
    own_seed=True,
    outputs=2,
    unit_credits=1,
    prices=(FOUR_CENTS,),
    expected_s=3,
    cancel_after_s=60,
    submitted_at=datetime(2026, 11, 21, tzinfo=UTC),
)


def ended(status: Status, outputs: int = 0, **metrics: float) -> Prediction:
    """A prediction that is over."""
    made = tuple(f"https://replicate.delivery/{number}.png" for number in range(outputs))
    return Prediction(prediction_id="p" * 26, status=status, outputs=made, measured=measured_of(metrics))


def stored(*sides: tuple[int, int]) -> Delivery:
    """Pictures that were brought home."""
    picture = Output(container="outputs", name="a/b/1-0.png", content_type="image/png", size_bytes=1, width=0, height=0)
    return Delivery(outputs=tuple(replace(picture, width=width, height=height) for width, height in sides))


@pytest.mark.parametrize("status", [Status.FAILED, Status.ABORTED])
def test_what_failed_or_never_started_costs_nothing(status: Status) -> None:
    """Replicate does not charge for it."""
    assert cost_of(replace(ATTEMPT, prices=(A100, FOUR_CENTS)), ended(status, predict_time=90)) == 0


def test_what_was_canceled_costs_what_its_machine_did() -> None:
    """Also where it would have been paid by the picture: then nothing."""
    canceled = ended(Status.CANCELED, predict_time=10)
    assert cost_of(replace(ATTEMPT, prices=(A100,)), canceled) == 14_000
    assert cost_of(ATTEMPT, canceled) == 0


def test_a_refused_picture_was_paid_too() -> None:
    """Two were made, one was stored: the provider charges for both, and both have megapixels."""
    both = ended(Status.SUCCEEDED, outputs=2)
    assert cost_of(ATTEMPT, both, stored((1000, 1000))) == 80_000
    by_size = replace(ATTEMPT, prices=(Price(Unit.MEGAPIXEL_OUT, 10_000),))
    assert cost_of(by_size, both, stored((1000, 500))) == 10_000
    assert cost_of(by_size, both, stored((1000, 1000), (1000, 500))) == 15_000
    assert cost_of(by_size, both, Delivery()) == 20_000


def test_pictures_that_go_in_are_counted() -> None:
    """One megapixel each: by their references, one or a list of them."""
    by_input = replace(ATTEMPT, prices=(Price(Unit.MEGAPIXEL_IN, 15_000),))
    one = replace(by_input, inputs={"prompt": "input", "image": "input:ada/ada/one/a.png"})
    two = replace(by_input, inputs={"input_images": ["input:ada/ada/one/a.png", "input:ada/ada/one/b.png"]})
    done = ended(Status.SUCCEEDED, outputs=1)
    assert [cost_of(each, done, stored((1, 1))) for each in (by_input, one, two)] == [0, 15_000, 30_000]


def test_a_film_costs_the_seconds_that_were_asked_for() -> None:
    """Whatever it says of itself in outputs: a film is one."""
    film = replace(ATTEMPT, modality=Modality.VIDEO, prices=(Price(Unit.SECOND, 180_000),), seconds=9)
    assert cost_of(film, ended(Status.SUCCEEDED, outputs=1), Delivery()) == 9 * 180_000
    assert cost_of(film, ended(Status.SUCCEEDED, 1, video_output_duration_seconds=5), Delivery()) == 5 * 180_000


def test_a_text_costs_its_tokens_and_not_its_parts() -> None:
    """A text in forty parts is one output."""
    text = replace(
        ATTEMPT, modality=Modality.TEXT, prices=(Price(Unit.IMAGE, 1_000), Price(Unit.MILLION_TOKENS_OUT, 10**6))
    )
    assert cost_of(text, ended(Status.SUCCEEDED, outputs=40, output_token_count=40), Delivery()) == 1_000 + 40


def test_flux_2_is_reckoned_by_the_megapixels_that_replicate_counted() -> None:
    """A run, four megapixels in, one out, as FLUX.2 names them: 90,000 micro-USD, and not the 45,729 of the sizes."""
    prices = [Price(Unit.RUN, 15_000), Price(Unit.MEGAPIXEL_IN, 15_000), Price(Unit.MEGAPIXEL_OUT, 15_000)]
    counted = {"image_input_megapixel_count": 4, "image_output_megapixel_count": 1, "predict_time": 8.1}
    assert cost_usd_micros(prices, counted, Made(outputs=1, megapixels=1.0486, inputs=1)) == 90_000
    assert cost_usd_micros(prices, {}, Made(outputs=1, megapixels=1.0486, inputs=1)) == 45_729
