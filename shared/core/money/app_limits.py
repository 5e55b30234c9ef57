"""The limits of the whole app, as they are set.

Rules of this file:
1. A limit belongs to the command that was issued last, as an account's settings do (account.py, rule 4). A limit that
   is removed leaves its stamp.
2. They are kept with the kill switches, in one row: whoever is about to create has read it anyway. So an app without
   limits of its own costs no request more.
"""

from dataclasses import dataclass

from shared.core.money.account import Stamps, is_newer, stamped
from shared.core.money.limits import Limit, check_room, laid_over
from shared.core.money.settings import Order


@dataclass(frozen=True, slots=True)
class AppLimits:
    """The app's limits, in the order of their ids, and the stamps of their commands."""

    limits: tuple[Limit, ...] = ()
    stamps: Stamps = ()


#: Before the first was set.
NO_LIMITS = AppLimits()


def limit_set(found: AppLimits, limit: Limit, order: Order) -> AppLimits | None:
    """The limits after a command; None if a newer one is in force. Raises ValueError if there would be too many."""
    check_room((stamp.setting for stamp in found.stamps), limit.limit_id)
    limits = tuple(sorted(laid_over(found.limits, (limit,)), key=lambda each: each.limit_id))
    return _changed(found, limit.limit_id, limits, order)


def limit_removed(found: AppLimits, limit_id: str, order: Order) -> AppLimits | None:
    """The limits without one; None if a newer command is in force. Raises ValueError as ``limit_set`` does."""
    check_room((stamp.setting for stamp in found.stamps), limit_id)
    return _changed(found, limit_id, tuple(each for each in found.limits if each.limit_id != limit_id), order)


def _changed(found: AppLimits, limit_id: str, limits: tuple[Limit, ...], order: Order) -> AppLimits | None:
    stamp = next((each for each in found.stamps if each.setting == limit_id), None)
    if stamp is not None and (stamp.issued_at, stamp.command_id) == (order.issued_at, order.command_id):
        return found
    if not is_newer(found.stamps, limit_id, order.issued_at, order.command_id):
        return None
    return AppLimits(limits, stamped(found.stamps, limit_id, order.issued_at, order.command_id))
