"""The state of the installation: settings, health, token.

Rules of this file:
1. No value of a setting is ever printed, because a secret may be in the wrong setting.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from shared.cli.catalog_costs import show_below
from shared.cli.context import Operations, command_context_of
from shared.config import data_files
from shared.config.settings import BLOB, NAMES, Name, Settings, SettingsError
from shared.triggers.health import is_well


def settings(context: typer.Context) -> None:
    """List the settings and which of them are set.

    Each is listed with what it should look like; values are never printed. The data files that the settings name are
    read too, except those in blobs: `health` reads these. The exit code is 2 if the app could not run with these
    settings.
    """
    command_context = command_context_of(context)
    command_context.screen.table(
        ("SETTING", "IS", "SHOULD BE"), [(name.env, _status(command_context.env, name), name.shape) for name in NAMES]
    )
    try:
        _read(Settings.from_env(command_context.env))
    except SettingsError as error:
        command_context.screen.complain(f"\n{error}")
        raise typer.Exit(2) from None


def _read(found: Settings) -> None:
    """Read the data files that are set, as the app's first call does. `health` reads those in blobs."""
    catalog = None if found.catalog_file.startswith(BLOB) else data_files.catalog(found)
    policy = None if found.moderation_file.startswith(BLOB) else data_files.policy(found)
    if not found.blocklist_file.startswith(BLOB):
        data_files.blocklist(found)
    if catalog is not None and not found.plans_file.startswith(BLOB):
        plans = data_files.plans(found, catalog)
        if policy is not None:
            data_files.check_policy(found, policy, plans)


def _status(env: Mapping[str, str], name: Name) -> str:
    raw = env.get(name.env, "").strip()
    if not raw:
        return f"default: {name.default}" if name.default else "not set"
    try:
        name.read(raw)
    except ValueError:
        return "malformed"
    return "set"


def token(context: typer.Context) -> None:
    """Check Replicate's API token alone: its form, and whose it is.

    It needs REPLICATE_API_TOKEN and no other setting: no vault, no storage. The exit code is 1 if Replicate refuses the
    token or is not reached, 2 if the token is not set or malformed.
    """
    from shared.adapters.replicate.sdk.connector import ReplicateConnector  # noqa: PLC0415  # of this command alone
    from shared.adapters.replicate.sdk.errors import AuthenticationError, ReplicateError  # noqa: PLC0415  # as above

    command_context = command_context_of(context)
    try:
        given, api_url = (_value(command_context.env, name) for name in ("REPLICATE_API_TOKEN", "REPLICATE_API_URL"))
    except ValueError as unread:
        command_context.screen.complain(str(unread))
        raise typer.Exit(2) from None
    if not given:
        command_context.screen.complain(
            "REPLICATE_API_TOKEN is not set. Make a token at replicate.com/account/api-tokens; it begins with r8_."
        )
        raise typer.Exit(2)

    async def whose() -> str:
        async with ReplicateConnector({"api_token": given}, api_url=api_url) as connector:
            return connector.username("token")

    try:
        command_context.screen.facts([("token", "accepted"), ("account", asyncio.run(whose()))])
    except ReplicateError as trouble:
        command_context.screen.complain(str(trouble))
        malformed = isinstance(trouble, AuthenticationError) and not trouble.status  # it was never sent
        raise typer.Exit(2 if malformed else 1) from None


def _value(env: Mapping[str, str], setting: str) -> str:
    """A setting by itself, cleaned as the app cleans it. ValueError if it is malformed; its text shows no value."""
    (name,) = (each for each in NAMES if each.env == setting)
    return str(name.read(env.get(setting, "").strip() or name.default))


def health(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as GET /api/health answers it.")] = False,
) -> None:
    """Check whether every dependency answers.

    The same as GET /api/health, and why a setting cannot be used. With CREDIT_USD the models below their margin follow,
    with the arithmetic. The exit code is 1 if a dependency does not answer.
    """
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        dependencies = await operations.health()
        if as_json:
            command_context.screen.json(dict(dependencies))
        else:
            command_context.screen.facts(dependencies.items())
            if operations.settings.credit_usd_micros and is_well(dependencies.get("settings", "")):
                show_below(command_context.screen, operations.deps.catalog, operations.deps.plans)
        return 0 if all(map(is_well, dependencies.values())) else 1

    command_context.do(command)
