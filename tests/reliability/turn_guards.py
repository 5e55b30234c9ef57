"""The guards of turns. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.turn_guards`` prints it).
"""

from tests.reliability.guards import CORE, Guard, table

_SHARES, _GIVING = CORE + "turns/shares.py", CORE + "turns/giving.py"


def _core(test: str) -> str:
    return f"tests/core/test_turns.py::{test}"


TURN_GUARDS: tuple[Guard, ...] = (
    Guard(
        "an account below its share does not wait for the turns of others",
        _SHARES,
        (("most is None or _adds(asking, most, counts, found, others) or (", "most is None or ("),),
        _core("test_below_its_share_an_account_takes_its_turn_though_another_has_all"),
    ),
    Guard(
        "the app's limit in flight is no share",
        _SHARES,
        (("(sum(counts.values()) < most and (not others or", "((not others or"),),
        _core("test_a_limit_in_flight_is_not_exceeded_by_whoever_is_below_the_share"),
    ),
    Guard(
        "an account of which something waits takes no turn at once",
        _SHARES,
        (("    if any(place.account_id == asking.account_id for place in waiting):\n", "    if waiting is None:\n"),),
        _core("test_older_requests_of_the_account_come_first"),
    ),
    Guard(
        "a turn that is on its way counts",
        _SHARES,
        (("        if not turn.begun:\n            paced[account_id] += 1\n        elif", "        if"),),
        _core("test_a_turn_counts_for_the_pace_until_its_window_has_passed"),
    ),
    Guard(
        "a full account gets no turn",
        _SHARES,
        (("if place.concurrency is None or found", "if place.concurrency != -1 or found"),),
        "tests/reliability/test_fairness.py::test_limits_in_flight_hold_and_are_used",
    ),
    Guard(
        "what is over the sum is not given on",
        _GIVING,
        (("soon[over:]", "soon[over - over :]"),),
        _core("test_what_is_over_the_sum_is_not_given_on"),
    ),
    Guard(
        "a look gives no more than fits in flight",
        _GIVING,
        (("        times = times[: max(0, capacity.in_flight - sum(found.in_flight.values()))]\n", "        pass\n"),),
        _core("test_no_limit_in_flight_is_exceeded_by_what_is_taken_or_given"),
    ),
    Guard(
        "accounts are served by their weights",
        _GIVING,
        (("TURN // place.weight", "TURN"),),
        _core("test_accounts_are_served_by_their_weights"),
    ),
    Guard(
        "what a full account missed is not made up for",
        _GIVING,
        (("served=max(place.served, furthest - TURN)", "served=max(place.served, 0 * furthest)"),),
        _core("test_what_a_full_account_missed_is_not_made_up_for"),
    ),
    Guard(
        "an account that begins to wait is level with the others",
        _GIVING,
        (("served=min((place.served for place in places), default=0)", "served=0"),),
        _core("test_a_new_place_is_level_with_the_next_one"),
    ),
    Guard(
        "the users of an account take turns",
        _GIVING,
        (("users[bisect_right(users, after) % len(users)]", "users[0 * bisect_right(users, after)]"),),
        _core("test_users_take_turns_in_a_ring"),
    ),
    Guard(
        "below the share nothing is read",
        _SHARES,
        (("    return spare_tokens >= 0 and (", "    return spare_tokens < 0 and ("),),
        "tests/reliability/test_fairness.py::test_below_the_share_nothing_is_read",
    ),
)


if __name__ == "__main__":
    print(table(TURN_GUARDS))  # noqa: T201  # it is what the command is for
