"""A wrong argument of any command is answered with an exit code and a text, never with a traceback."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from shared.cli.main import app
from tests.cli.counter import Counter

pytestmark = pytest.mark.long  # every argument of every command

#: Wrong values that people and scripts give.
BAD = ("", "-5", "-1", "0", "many", "1e3", "99999999999999999999", "a/b", "a b", "nosuch", "../x", "\udcff", "é" * 300)

#: The ones tried for options: fewer, because each is a whole run of a command.
FEW = ("", "-5", "99999999999999999999", "nosuch", "\udcff")

#: Good values of required options, so that one bad value is the only mistake.
NEEDED = {
    "--user": "ada",
    "--note": "x",
    "--account": "ada",
    "--destination": "me/lora",
    "--id": "t",
    "--month": "2026-11",
    "--policy": "/nowhere/policy.toml",
    "--csv": "/nowhere/bill.csv",
    "--column": "usd=Amount",
}


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield (*path, name), command


ALL = dict(commands(typer.main.get_command(app)))


def lines(path: tuple[str, ...], command: Any, bad: str) -> Iterator[list[str]]:
    """Command lines with one bad value each; all other values are good."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.is_flag]
    needed = [word for each in options if each.required for word in (each.opts[0], NEEDED[each.opts[0]])]
    good = {each.name: "ada" for each in arguments}
    for each in arguments:
        yield [*path, *(bad if other is each else good[other.name] for other in arguments), *needed]
    for option in options if bad in FEW else ():
        name = option.opts[0]
        yield [*path, *good.values(), *needed, name, bad]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_bad_argument_of_every_command_is_answered(counter: Counter, path: tuple[str, ...]) -> None:
    """An exception fails the test, and no mistaken command moves a credit."""
    before = counter.balances()
    for bad in BAD:
        for line in lines(path, ALL[path], bad):
            called = counter.call(*line)
            assert called.code in (0, 1, 2), line
            assert called.out or called.err, line
            assert "Traceback" not in called.err, line
    if path != ("grant",):
        assert counter.balances() == before
    counter.books_balance()
