"""The numbers on the developers' command lines."""

import pytest

from dev import chaos, outage, simulate


@pytest.mark.parametrize(
    ("main", "argv"),
    [
        (simulate.main, ["--seeds", "-1"]),
        (simulate.main, ["--seeds", "0"]),
        (simulate.main, ["--seed", "-1"]),
        (simulate.main, ["--users", "many"]),
        (simulate.main, ["--processes", "0"]),
        (outage.main, ["--rate", "0"]),
        (outage.main, ["--rate", "nan"]),
        (outage.main, ["--minutes", "-5"]),
        (chaos.main, ["--generations", "0"]),
        (chaos.main, ["--every", "-1"]),
    ],
)
def test_a_number_that_cannot_be_meant_is_one_sentence(
    main: object, argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence names the option and the rule, and nothing is run."""
    assert callable(main)
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"argument {argv[0]}: must be a " in printed.err
