"""Content safety: explain, diff.

Rules of this file:
1. `explain` prints screening records: categories, severities, screeners. A record contains no prompt.
2. `diff` only reads. The verdict of another policy changes no generation.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from shared.cli.context import AccountToo, Operations, command_context_of, span_of
from shared.cli.generations import find_one, valid_names
from shared.config.data_files import overridden
from shared.core.lifecycle.generation import Closed, Generation, Received
from shared.core.reasons import counted
from shared.core.safety.moderation import PLAIN_WORDS, Category, Policy, Verdict
from shared.core.safety.policy_file import PolicyError, parse_policy
from shared.core.safety.screening_record import ScreeningRecord
from shared.ports import Dependencies
from shared.views.times import moment

moderation = typer.Typer(help="Content safety: explain, diff.", no_args_is_help=True, rich_markup_mode=None)


@moderation.command("explain")
def explain(
    context: typer.Context,
    generation_id: Annotated[str, typer.Argument(help="The generation's id.", metavar="GENERATION")],
    user: Annotated[
        str | None,
        typer.Option("--user", "-u", help="Whose it is; without it the whole table is searched.", metavar="USER"),
    ] = None,
    account: AccountToo = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain why a generation was refused, or why it passed.

    Prints each screening: what was found, by which screener, and the policy that decided.
    """
    valid_names(generation_id, user, account)
    command_context = command_context_of(context)

    async def command(operations: Operations) -> int:
        generation = await find_one(operations, generation_id, user, account)
        records = () if isinstance(generation, Received) else generation.screenings
        if as_json:
            command_context.screen.json([record.to_json() for record in records])
            return 0
        if not records:
            command_context.screen.say("Nothing of it was screened: it was refused before, or it had no outputs.")
        for record in records:
            command_context.screen.facts(_facts(record))
            command_context.screen.say("")
        command_context.screen.facts(
            [("the user's answer", f"{generation.reason}: {generation.text}" if generation.reason else "")]
        )
        return 0

    command_context.do(command)


def _facts(record: ScreeningRecord) -> Iterator[tuple[str, str]]:
    yield "screened", record.subject
    yield "verdict", "allowed" if record.allowed else f"refused: {_because(record)}"
    yield "found", ", ".join(f"{name} {severity}" for name, severity in record.severities.items())
    yield "topics", ", ".join(record.topics)
    yield "screeners", ", ".join(record.screeners)
    yield "not available", ", ".join(record.unavailable)
    yield "unscreened", record.unscreened
    yield "policy", f"{record.policy}, plan {record.plan}"
    yield "at", moment(record.at)
    yield "digest", record.digest
    yield "manifest in the file", record.provenance


def _because(record: ScreeningRecord) -> str:
    words = {found.value: plain for found, plain in PLAIN_WORDS.items()}
    if not record.category:
        return "no screener was available" if record.unscreened else "the verdict was incomplete"
    return f"{record.category} ({words[record.category]})" if words.get(record.category) else record.category


@moderation.command("diff")
def diff(
    context: typer.Context,
    policy: Annotated[
        Path, typer.Option("--policy", help="The other policy, a file in TOML.", metavar="FILE", dir_okay=False)
    ],
    since: Annotated[
        str, typer.Option("--since", help="How far back: such as 90m, 12h, 7d, 4w.", metavar="SPAN")
    ] = "7d",
) -> None:
    """List the verdicts that another policy would change.

    Applies the policy to the stored assessments of all users, and changes nothing. Settings that override thresholds
    (REFUSE_..._FROM) apply to the other policy too. A prompt that the blocklist refused has no severities, because no
    other screener saw it.
    """
    command_context = command_context_of(context)
    span = span_of(since)
    other = _read(policy)

    async def command(operations: Operations) -> int:
        deps, candidate = operations.deps, overridden(other, operations.settings)
        after = deps.now() - span
        flips: list[_Flip] = []
        screened = 0
        async for generation in _screened(deps):
            records = [record for record in generation.screenings if record.at >= after]
            screened += len(records)
            flips += _flips(generation, records, candidate)
        if flips:
            heads = ("USER", "GENERATION", "SCREENED", "WAS", "WOULD BE", "FOR")
            command_context.screen.table(heads, [flip.row for flip in flips])
        refused = sum(not flip.verdict.allowed for flip in flips)
        command_context.screen.complain(
            f"{counted(screened, 'verdict')} since {moment(after)}:"
            f" {refused} would be refused, {len(flips) - refused} allowed."
        )
        return 0

    command_context.do(command)


@dataclass(frozen=True, slots=True)
class _Flip:
    """A verdict that is different under the other policy."""

    generation: Generation | Closed
    record: ScreeningRecord
    verdict: Verdict

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of its row in the table."""
        key, allowed = self.generation.key, self.verdict.allowed
        found = (self.record.category or self._found) if allowed else self._found
        was, would_be = ("refused", "allowed") if allowed else ("allowed", "refused")
        return (key.whose, key.generation_id, self.record.subject, was, would_be, found)

    @property
    def _found(self) -> str:
        category = self.verdict.category
        if isinstance(category, Category):
            return f"{category.value} {self.record.severities.get(category.value, '')}".strip()
        if self.record.unscreened:
            return f"unscreened {self.record.unscreened}"
        return category.value if category else "incomplete"


async def _screened(deps: Dependencies) -> AsyncIterator[Generation | Closed]:
    """All generations of which something may have been screened: not those that were only taken in."""
    async for account in deps.store.accounts():
        async for generation in deps.store.generations(account.account_id):
            if not isinstance(generation, Received):
                yield generation


def _flips(generation: Generation | Closed, records: list[ScreeningRecord], other: Policy) -> list[_Flip]:
    verdicts = [(record, record.verdict_under(other)) for record in records]
    return [_Flip(generation, record, verdict) for record, verdict in verdicts if verdict.allowed != record.allowed]


def _read(file: Path) -> Policy:
    try:
        return parse_policy(file.read_text(encoding="utf-8"), file.name)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not text in UTF-8") from None
    except PolicyError as error:
        raise typer.BadParameter(str(error)) from None
