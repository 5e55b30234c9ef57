"""Whatever is typed wrongly, in any command, is answered in plain English: an exit code, a text, and no traceback."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from shared.cli.main import app
from tests.cli.counter import Counter

pytestmark = pytest.mark.long  # every argument of every command

#: What people and scripts type where something else was meant.
BAD = ("", "-5", "-1", "0", "many", "1e3", "99999999999999999999", "a/b", "a b", "nosuch", "../x", "\udcff", "é" * 300)

#: Those that are tried for options: each is a whole run of a command.
FEW = ("", "-5", "99999999999999999999", "nosuch", "\udcff")

#: What a command needs, so that a bad value stands alone.
NEEDED = {
    "--user": "ada",
    "--note": "x",
    "--id": "t",
    "--policy": "/nowhere/policy.toml",
}


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that there is, by what is typed."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(typer.main.get_command(app)))


def lines(path: tuple[str, ...], command: Any, bad: str) -> Iterator[list[str]]:
    """The command with one value after the other that is bad, the others as they should be."""
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
    """Whatever raises something would fail here; nothing that was meant otherwise moves a credit."""
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
