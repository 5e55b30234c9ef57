"""How far a training is, by what trainers write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.training.progress import Progress, progress_of

TQDM = "flux_train_replicate:  12%|\u2588\u258f        | 120/1000 [01:10<08:33,  1.71it/s, lr: 4.0e-04 loss: 3.2e-01]"


@pytest.mark.parametrize(
    ("logs", "steps", "found"),
    [
        (TQDM, 1000, Progress(120, 1000)),
        (f"{TQDM}\r{TQDM.replace('120/', '121/')}", 0, Progress(121, 1000)),
        (f"{TQDM}\nFetching 28 files: 100%|####| 28/28 [00:01<00:00]\n", 1000, Progress(120, 1000)),
        ("100%|#####| 250/250 [00:01<00:00]\n", 250, Progress(250, 250)),
        ("  0%|          | 0/250 [00:00<?, ?it/s]", 250, Progress(0, 250)),
        ("5%|#| 5/0 [00:00]", 0, None),
        ("90%|#| 7/5 [00:00]", 0, None),
        ("Caching latents to disk", 1000, None),
        ("", 0, None),
    ],
)
def test_the_last_bar_counts(logs: str, steps: int, found: Progress | None) -> None:
    """Of the training itself, if its steps are known: downloads have bars too."""
    assert progress_of(logs, steps) == found


def test_a_percentage_is_a_whole_number() -> None:
    """Rounded down: 100 means done."""
    assert [Progress(step, 1000).percent for step in (0, 9, 999, 1000)] == [0, 0, 99, 100]


@given(st.text(alphabet="0123456789%|/ #[]\r\n", max_size=500))
def test_any_logs_have_a_progress_or_none(logs: str) -> None:
    """And never more than all steps."""
    found = progress_of(logs)
    assert found is None or 0 <= found.percent <= 100
