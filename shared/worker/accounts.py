"""The commands that operators and apps give about accounts: credits, settings, limits.

Rules of this file:
1. Each command has an id. The same id with the same content is one entry. The same id with other content is refused.
2. An account exists from its first command. Only what takes credits back needs one that is there.
3. Whoever gives a command is named in its entry, with a reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.core.keys import ID_RULE, Key, is_id
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.refunding import refunded
from shared.core.money import moves, settings
from shared.core.money.account import Account, User
from shared.core.money.allowance import Allowance, Becomes
from shared.core.money.buckets import DEFAULT_PRIORITY
from shared.core.money.credits import Sums
from shared.core.money.entries import BY_SYSTEM, LedgerEntry, Move
from shared.core.money.limits import Limit, Scope
from shared.core.money.linking import is_what_was_asked
from shared.core.money.moves import Moved, Posting
from shared.core.money.sealing import sealed
from shared.core.money.settings import Order, Settings
from shared.core.values import replace
from shared.ports import Conflict, Dependencies, Loaded
from shared.worker.grouping import CONFLICT_TRIES, pause, too_many
from shared.worker.noting import note_move
from shared.worker.reconsidering import reconsider
from shared.worker.saving import payer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command's id, who gave it and why, when it was issued and when its message was enqueued (None: now)."""

    command_id: str
    by: str = BY_SYSTEM
    why: str = ""
    issued_at: datetime | None = None
    enqueued_at: datetime | None = None

    def __post_init__(self) -> None:
        _check_zone("issued_at", self.issued_at)
        _check_zone("enqueued_at", self.enqueued_at)

    def order(self, now: datetime) -> Order:
        """What decides between two commands for one setting: a time later than that of the message counts as that."""
        came_at = self.enqueued_at or now
        return Order.of(self.issued_at or came_at, self.command_id, came_at)


#: What a command does: account, user, posting -> what to save.
Act = Callable[[Account, User | None, Posting], Moved]


async def grant(  # noqa: PLR0913  # each is a fact of the grant
    deps: Dependencies,
    account_id: str,
    amount: int,
    *,
    grant_id: str,
    expires_at: datetime | None = None,
    priority: int = DEFAULT_PRIORITY,
    by: str = BY_SYSTEM,
    why: str = "",
) -> Account:
    """Grant ``amount`` credits. Returns the account after it.

    Raises ValueError, which names the invalid argument, before anything is saved. It is raised too if the grant id was
    used before for another grant.
    """

    def act(account: Account, _: User | None, posting: Posting) -> Moved:
        return moves.grant(
            account, amount, grant_id=grant_id, posting=posting, expires_at=expires_at, priority=priority
        )

    _check_zone("expires_at", expires_at)
    command = Command(command_id=grant_id, by=by, why=why)
    asked = moves.said_of_grant(amount, priority, expires_at)
    return await _post_once(deps, account_id, Move.GRANT, command, act, asked=asked)


async def revoke(deps: Dependencies, account_id: str, amount: int, command: Command, *, grant_id: str = "") -> Account:
    """Take back at most ``amount`` available credits, of one grant or of all. Raises ValueError as ``grant`` does."""

    def act(account: Account, _: User | None, posting: Posting) -> Moved:
        return moves.revoke(account, amount, revoke_id=command.command_id, posting=posting, grant_id=grant_id)

    return await _post_once(deps, account_id, Move.REVOKE, command, act, opens=False)


async def correct(
    deps: Dependencies,
    account_id: str,
    change: Sums,
    command: Command,
    *,
    bucket_id: str = "",
    ledger_only: bool = False,
) -> Account:
    """Post a compensating entry: the change of each sum; ``granted`` follows. Returns the account after it.

    The account changes too, unless ``ledger_only`` is set: the account was right, and the ledger was not.
    Raises ValueError if there is no account, or if a balance would become negative.
    """

    def act(account: Account, _: User | None, posting: Posting) -> Moved:
        return moves.correct(
            account,
            change,
            correction_id=command.command_id,
            posting=posting,
            bucket_id=bucket_id,
            ledger_only=ledger_only,
        )

    asked = moves.said_of_correction(change, bucket_id)
    return await _post_once(deps, account_id, Move.CORRECTION, command, act, opens=False, asked=asked)


async def refund(deps: Dependencies, key: Key, amount: int, command: Command) -> Account:
    """Give back captured credits of an ended generation: all refunds together at most what was captured.

    Raises ValueError if there is no such generation, or for an amount that it has not captured.
    """
    _check_ids(key.account_id, command.command_id)
    for tried in range(CONFLICT_TRIES):
        loaded = await deps.store.load(key)
        if await _is_posted(deps, key.account_id, Move.REFUND, command.command_id, moves.said_of_refund(amount, key)):
            return _account(loaded)
        try:
            return _account(await _refund_once(deps, loaded, amount, command))
        except Conflict:
            await pause(deps, tried)
    raise too_many()


async def _refund_once(deps: Dependencies, loaded: Loaded, amount: int, command: Command) -> Loaded:
    generation, payer = loaded.generation, payer_of(deps, loaded)
    if not isinstance(generation, Generation) or payer is None:
        raise ValueError("there is no generation of these ids that captured credits")
    posting = replace(payer.posting(deps.now()), by=command.by, why=command.why)
    transition = refunded(generation, payer.account, amount, command.command_id, posting)
    recorded = transition.recorded(generation, deps.now())
    sealed_transition = recorded.sealed(payer.account.head, await deps.names_key())
    await note_move(deps, payer.account.account_id)
    return await deps.store.commit(loaded, sealed_transition)


def _account(loaded: Loaded) -> Account:
    if loaded.account is None:
        raise ValueError("there is no such account")
    return loaded.account


async def set_account(deps: Dependencies, account_id: str, wanted: Settings, command: Command) -> Account:
    """Set the name, the zone and the approvers of an account, or some of them."""
    if wanted.zone is not None:
        from shared.worker.zones import check_zone  # noqa: PLC0415  # few accounts have a zone of their own

        check_zone(wanted.zone)

    def act(account: Account, _: User | None, posting: Posting) -> Moved:
        return settings.set_account(account, wanted, order=command.order(posting.at), posting=posting)

    return await _post_once(deps, account_id, Move.SET_ACCOUNT, command, act)


async def set_plan(
    deps: Dependencies, account_id: str, plan: str, command: Command, *, becomes: Becomes = Becomes.KEPT
) -> Account:
    """Change the plan. ``becomes`` says what becomes of the running allowance."""
    if plan not in deps.plans:
        raise ValueError(f"no plan is named {plan!r}; plans are {', '.join(deps.plans)}")
    allowance = allowance_of(deps, plan)

    def act(account: Account, _: User | None, posting: Posting) -> Moved:
        order = command.order(posting.at)
        return settings.set_plan(account, plan, becomes, allowance, order=order, posting=posting)

    after = await _post_once(deps, account_id, Move.SET_PLAN, command, act)
    await reconsider(deps, account_id, command.command_id)
    return after


async def suspend(deps: Dependencies, account_id: str, reason: str, command: Command) -> Account:
    """Refuse new requests of an account, with this reason."""

    def act(account: Account, _: User | None, posting: Posting) -> Moved:
        return settings.suspend(account, reason, order=command.order(posting.at), posting=posting)

    return await _post_once(deps, account_id, Move.SUSPEND, command, act)


async def reactivate(deps: Dependencies, account_id: str, command: Command) -> Account:
    """End a suspension."""

    def act(account: Account, _: User | None, posting: Posting) -> Moved:
        return settings.reactivate(account, order=command.order(posting.at), posting=posting)

    return await _post_once(deps, account_id, Move.REACTIVATE, command, act)


async def set_limit(
    deps: Dependencies, account_id: str, limit: Limit, command: Command, *, user_id: str = ""
) -> Account:
    """Set a limit of an account, or of one of its users. That of the user with the account's id is no other user's."""

    def act(account: Account, user: User | None, posting: Posting) -> Moved:
        return settings.set_limit(account, user, limit, order=command.order(posting.at), posting=posting)

    after = await _post_once(deps, account_id, Move.SET_LIMIT, command, act, user_id=user_id)
    await reconsider(deps, account_id, command.command_id)
    return after


async def remove_limit(
    deps: Dependencies,
    account_id: str,
    limit_id: str,
    command: Command,
    *,
    scope: Scope = Scope.ACCOUNT,
    user_id: str = "",
) -> Account:
    """Take away a limit of an account, or of one of its users."""

    def act(account: Account, user: User | None, posting: Posting) -> Moved:
        return settings.remove_limit(account, user, scope, limit_id, order=command.order(posting.at), posting=posting)

    after = await _post_once(deps, account_id, Move.REMOVE_LIMIT, command, act, user_id=user_id)
    await reconsider(deps, account_id, command.command_id)
    return after


def allowance_of(deps: Dependencies, name: str) -> Allowance | None:
    """The allowance of a plan. A plan that is gone has none."""
    plan = deps.plans.find(name)
    return plan.allowance if plan else None


async def _post_once(  # noqa: PLR0913  # each is a fact of the command
    deps: Dependencies,
    account_id: str,
    move: Move,
    command: Command,
    act: Act,
    *,
    user_id: str = "",
    opens: bool = True,
    asked: str | None = None,
) -> Account:
    """Save one command's entries with the account and the user. If its id exists, it must be of the same content.

    ``asked`` is the content of a command that may be refused the second time, though it was made the first time.
    """
    _check_ids(account_id, command.command_id, *([user_id] if user_id else []))
    for tried in range(CONFLICT_TRIES):
        found, etag = await deps.store.load_account(account_id)
        if found is None and not opens:
            raise ValueError(f"there is no account {account_id!r}")
        user, user_etag = await _load_user(deps, account_id, user_id)
        account = found or Account(account_id=account_id)
        posting = Posting(at=deps.now(), by=command.by, why=command.why, allowance=allowance_of(deps, account.plan))
        try:
            moved = act(account, user, posting)
        except ValueError:
            if found is not None and asked and await _is_posted(deps, account_id, move, command.command_id, asked):
                return found
            raise
        after, entries = await _ready(deps, account, moved)
        try:
            await deps.store.post(after, etag, entries, moved.user, user_etag)
        except Conflict:
            wanted = next(entry for entry in entries if entry.move is move)
            if await _is_posted(deps, account_id, move, command.command_id, wanted.asked):
                return (await deps.store.load_account(account_id))[0] or after
            await pause(deps, tried)
        else:
            return after
    raise too_many()


async def _ready(deps: Dependencies, account: Account, moved: Moved) -> tuple[Account, Sequence[LedgerEntry]]:
    """The account and the entries as they are saved, once it is noted that the account moves today."""
    after, entries = sealed(moved.account, moved.entries, account.head, await deps.names_key())
    await note_move(deps, account.account_id)
    return after, entries


async def _load_user(deps: Dependencies, account_id: str, user_id: str) -> tuple[User | None, str]:
    if not user_id or user_id == account_id:  # it has no row
        return User(account_id=account_id, user_id=user_id) if user_id else None, ""
    user, etag = await deps.store.load_user(account_id, user_id)
    return user or User(account_id=account_id, user_id=user_id), etag


async def _is_posted(deps: Dependencies, account_id: str, move: Move, entry_id: str, asked: str) -> bool:
    """Whether the ledger has this command already. Raises ValueError if it has its id with other content."""
    try:
        posted = await deps.store.entry(account_id, move, entry_id)
    except Conflict:
        raise ValueError(f"the id {entry_id!r} is of a command that was refused: use another id") from None
    if posted is not None and not is_what_was_asked(await deps.names_key(), posted, posted.stand_ins, asked):
        before = posted.asked or "something else"
        raise ValueError(f"the id {entry_id!r} was used before for {before}; this is {asked}: use another id")
    return posted is not None


def _check_ids(account_id: str, entry_id: str, *user_ids: str) -> None:
    """Raise ValueError unless all follow the rule for ids: they become keys of a table."""
    for name, value in (("account id", account_id), ("entry id", entry_id), *(("user id", each) for each in user_ids)):
        if not is_id(value):
            raise ValueError(f"the {name} must be {ID_RULE}")


def _check_zone(name: str, at: datetime | None) -> None:
    """Raise ValueError, which names the argument, for a time without a zone."""
    if at is not None and at.utcoffset() is None:
        raise ValueError(f"{name} must have a time zone, such as UTC")
