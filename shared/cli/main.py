"""The map of all commands, and ``run``, which calls one."""

import logging
import os
from collections.abc import Callable, Mapping
from functools import cache

import typer

from shared.cli import accounts, approving, generations, state
from shared.cli.account_commands import send_account_command
from shared.cli.account_settings import account
from shared.cli.app_limits import app_limits
from shared.cli.catalog import catalog
from shared.cli.context import CommandContext, Operations, OperatorsApp, TakesNegative
from shared.cli.dead_letters import dead_letters
from shared.cli.destinations import destination
from shared.cli.moderation import moderation
from shared.cli.pausing import pause, paused, resume
from shared.cli.printing import Screen
from shared.cli.quoting import quote
from shared.cli.receipts import keys, receipt
from shared.cli.stdout import answered
from shared.cli.submitting import submit
from shared.cli.trained_versions import version
from shared.cli.training import train
from shared.cli.uploads import upload
from shared.cli.usage import usage
from shared.config.settings import Settings
from shared.core.keys import ID_RULE

PROGRAM = "python3 -m shared.cli"

_HELP = f"""Operate a running Darkroom: credits, generations, dead letters.

The environment says which Darkroom. It has the same settings as the app; `settings` lists them.
Ids are {ID_RULE}.

Exit codes: 0 done; 1 the answer is no; 2 the command line or the settings are wrong.
"""

# Without rich's boxes, help is plain text, the same on a terminal and through a pipe.
app = typer.Typer(help=_HELP, add_completion=False, no_args_is_help=True, rich_markup_mode=None)

app.command("submit")(submit)
app.command("quote")(quote)
app.command("upload")(upload)
app.command("train")(train)
app.add_typer(destination, name="destination")
app.add_typer(version, name="version")
app.command("cancel")(generations.cancel)
app.command("show")(generations.show)
app.command("open")(generations.open_)
app.command("approve")(approving.approve)
app.command("deny")(approving.deny)
app.command("receipt")(receipt)
app.command("keys")(keys)
app.command("grant", cls=TakesNegative)(accounts.grant)
account.command("command")(send_account_command)
app.add_typer(account, name="account")
app.add_typer(app_limits, name="app-limits")
app.command("pause")(pause)
app.command("resume")(resume)
app.command("paused")(paused)
app.command("audit")(accounts.audit)
app.command("correct")(accounts.correct)
app.add_typer(usage, name="usage")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(catalog, name="catalog")
app.add_typer(moderation, name="moderation")
app.command("settings")(state.settings)
app.command("health")(state.health)
app.command("token")(state.token)

#: typer reads the signatures of all commands for it.
_command_of = cache(typer.main.get_command)


def run(
    argv: list[str],
    *,
    env: Mapping[str, str] | None = None,
    open_app: Callable[[Settings], Operations] = OperatorsApp,
    program: str = PROGRAM,
) -> int:
    """Run one command; returns its exit code.

    ``env`` are the settings, those of the process by default. ``open_app`` opens the app for them. ``program`` is how
    the command line was called: the command lines that it proposes begin with it.
    """
    # The log records are the app's. A command itself reports to the operator what went wrong.
    logging.basicConfig(handlers=[logging.NullHandler()])
    command_context = CommandContext(os.environ if env is None else env, open_app, program, Screen())
    return answered(lambda: _call(argv, program, command_context))


def _call(argv: list[str], program: str, command_context: CommandContext) -> int:
    try:
        _command_of(app).main(args=argv, prog_name=program, obj=command_context)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
