"""The guards of turns. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.turn_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, table, worker_test

_SHARES, _GIVING = CORE + "turns/shares.py", CORE + "turns/giving.py"
_TAKING, _PARKING, _LOOKING = WORKER + "turns.py", WORKER + "parking.py", WORKER + "looking.py"
_TURNS, _AT_ONCE = worker_test("test_turns.py::"), worker_test("test_turns_at_once.py::")
_PATIENCE = worker_test("test_turns_patience.py::")
_OF_USER = "test_what_is_beyond_a_users_limit_waits_and_the_others_go_on[True]"
_PAUSED = f"{_TURNS}test_a_paused_generation_gives_its_turn_back_and_waits_for_one_after_the_pause"


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
    Guard(
        "a turn is written before the others are counted",
        _TAKING,
        (
            ("    await deps.index.put(replace(wanted.row, turn=turn))\n", ""),
            (
                "    if taken:\n        deps",
                "    if taken:\n        await deps.index.put(replace(wanted.row, turn=turn))\n        deps",
            ),
        ),
        f"{_AT_ONCE}test_of_ten_at_once_never_more_than_two_are_in_flight[0]",
    ),
    Guard(
        "who is one too many has no turn",
        _TAKING,
        (("        if not full:\n", "        if full is not None:\n"),),
        f"{_TURNS}test_what_is_beyond_the_concurrency_waits_as_received_with_nothing_held",
    ),
    Guard(
        "a user has no more in flight than its limit",
        _TAKING,
        (("((asking.concurrency, others), (asking.of_user, of_user))", "((asking.concurrency, others),)"),),
        f"{_TURNS}{_OF_USER}",
    ),
    Guard(
        "the account's own limit in flight counts beside its plan's",
        _LOOKING,
        (
            (
                "plan.concurrency if plan else None, most_in_flight(limits, Scope.ACCOUNT)]",
                "plan.concurrency if plan else None]",
            ),
        ),
        f"{_TURNS}test_a_limit_of_the_account_in_flight_is_one_beside_its_plans",
    ),
    Guard(
        "a limit in flight refuses nothing",
        CORE + "money/limits.py",
        (("        if limit.window is Span.IN_FLIGHT:\n            continue\n", ""),),
        f"{_TURNS}{_OF_USER}",
    ),
    Guard(
        "a full user is passed over",
        _LOOKING,
        (("        if asking.of_user is not None and found", "        if asking.of_user == -1 and found"),),
        f"{_TURNS}{_OF_USER}",
    ),
    Guard(
        "the next look goes on where this one has stopped",
        _LOOKING,
        (("    await deps.waiting.save_place(row, replace(place, after_user=user))\n", ""),),
        f"{_TURNS}test_many_full_users_keep_no_other_waiting",
    ),
    Guard(
        "a turn that was given is counted again",
        _TAKING,
        (
            (
                "(free and bounds == (None, None))",
                "wanted.given or (free and bounds == (None, None))",
            ),
        ),
        f"{_AT_ONCE}test_a_turn_that_was_given_is_counted_again",
    ),
    Guard(
        "what comes later does not overtake what waits",
        _TAKING,
        (
            ("    if await deps.waiting.place(wanted.account_id) is not None:\n", "    if False:\n"),
            ("    if any(place.account_id == wanted.account_id for place in places):\n", "    if False:\n"),
        ),
        f"{_TURNS}test_what_waits_is_not_overtaken_by_what_comes_later",
    ),
    Guard(
        "what this instance took counts though it was not read",
        _TAKING,
        (("        deps.recent_turns.took(turn)\n", "        pass\n"),),
        f"{_TURNS}test_the_apps_limit_is_shared_by_weight_and_refuses_nobody",
    ),
    Guard(
        "nothing is read where nothing is near its bound",
        _TAKING,
        (("    free = wanted.given or _surely_free(deps, wanted, places)\n", "    free = wanted.given\n"),),
        f"{_TURNS}test_nothing_is_read_where_nothing_is_near_its_bound",
    ),
    Guard(
        "what was parked meanwhile is left parked",
        WORKER + "admission.py",
        (("        if waits_for_turn(current.generation) and current", "        if False and current"),),
        f"{_AT_ONCE}test_what_was_parked_meanwhile_is_left_parked",
    ),
    Guard(
        "what was opened meanwhile has its turn",
        _PARKING,
        (("        await deps.index.give(turn, after.due_at(deps.timing))\n", "        pass\n"),),
        f"{_AT_ONCE}test_what_was_opened_meanwhile_has_its_turn",
    ),
    Guard(
        "what a dependency stops has no turn",
        WORKER + "requests.py",
        (("await deps.index.release(key, due_at, keeps", "await deps.index.move(key, due_at, keeps"),),
        f"{_AT_ONCE}test_a_given_turn_that_a_dependency_stops_is_given_back",
    ),
    Guard(
        "what is paused gives its turn back",
        WORKER + "deferring.py",
        (
            (
                "move = deps.index.release if generation.reason is Reason.PAUSED else deps.index.move",
                "move = deps.index.move",
            ),
        ),
        _PAUSED,
    ),
    Guard(
        "after a pause it needs a turn again",
        WORKER + "creates.py",
        (("    if not await may_go_on(deps, waiting, loaded):\n", "    if False:\n"),),
        _PAUSED,
    ),
    Guard(
        "what waits for its turn is not given up",
        WORKER + "checking.py",
        (
            (
                "    if waits_for_turn(found):\n        await check_parked(deps, found, loaded, row)\n        return\n",
                "",
            ),
        ),
        f"{_TURNS}test_a_limit_in_flight_gives_nobody_up",
    ),
    Guard(
        "how long a request waits for its turn is counted",
        _PARKING,
        (("    await count_wait(deps, loaded, given=False)\n", ""),),
        f"{_TURNS}test_how_long_it_waits_is_counted_without_its_pauses",
    ),
    Guard(
        "a wait for a turn is counted without its pauses",
        _LOOKING,
        ((" - await request_paused_for(deps, found.request, loaded, since)", ""),),
        f"{_TURNS}test_how_long_it_waits_is_counted_without_its_pauses",
    ),
    Guard(
        "a hold that waits for its turn uses up no patience",
        WORKER + "pausing.py",
        (("went_on_at(generation) or generation.opened_at", "generation.opened_at"),),
        f"{_PATIENCE}test_a_hold_that_has_waited_for_its_turn_is_not_given_up_at_the_first_429",
    ),
    Guard(
        "a request that waits for its turn uses up no patience",
        WORKER + "checking.py",
        (("parking.went_on_at(found) or found.opened_at", "found.opened_at"),),
        f"{_PATIENCE}test_a_request_that_has_waited_for_its_turn_waits_for_a_dependency_as_long_as_any",
    ),
    Guard(
        "what was approved and waits for its turn uses up no patience",
        WORKER + "checking.py",
        (("max(approved_at, parking.went_on_at(waits) or approved_at)", "approved_at"),),
        f"{_PATIENCE}test_what_was_approved_and_waited_for_its_turn_waits_for_screening_as_long_as_any",
    ),
    Guard(
        "a turn whose message is lost is sent again",
        _PARKING,
        (("    if row.turn is not None:\n", "    if False:\n"),),
        f"{_TURNS}test_a_turn_whose_message_is_lost_is_sent_again",
    ),
    Guard(
        "a look asks for the next before it gives",
        _LOOKING,
        (("    if rows:\n        await ask_for_looks(deps)\n", ""),),
        f"{_AT_ONCE}test_a_look_that_fails_has_asked_for_the_next",
    ),
    Guard(
        "what has a turn is given no second one",
        _LOOKING,
        (("opened is None or opened.turn is not None or found is None or not waits_for_turn(found)", "found is None"),),
        f"{_AT_ONCE}test_what_has_a_turn_or_ended_is_passed_over",
    ),
    Guard(
        "of two looks at once one gives",
        "shared/worker/looking.py",
        (("        saved = await deps.waiting.save_place(row, after)\n", "        saved = row\n"),),
        f"{_AT_ONCE}test_two_looks_at_once_give_one_turn_once",
    ),
    Guard(
        "a limit in flight that is raised counts at once",
        WORKER + "reconsidering.py",
        (("        await renew_place(deps, account_id)\n", "        pass\n"),),
        worker_test("test_turns_changed.py::test_what_may_be_in_flight_goes_on_at_once"),
    ),
    Guard(
        "the check of what waits writes its account's place anew",
        _PARKING,
        (("        await keep_place(deps, row, asking, loaded)\n", "        pass\n"),),
        worker_test("test_turns_changed.py::test_at_the_latest_the_next_check_lets_it_go_on"),
    ),
    Guard(
        "a place follows the plan of its account",
        _LOOKING,
        (
            (
                "            after = replace(after, weight=asking.weight, concurrency=asking.concurrency)\n",
                "            pass\n",
            ),
        ),
        f"{_TURNS}test_a_place_follows_the_plan",
    ),
    Guard(
        "what is canceled is in nobody's way",
        WORKER + "requests.py",
        (("        await deps.waiting.remove_waiting(Waiting(key, loaded.generation.opened_at))\n", "        pass\n"),),
        f"{_TURNS}test_many_that_are_canceled_delay_no_other",
    ),
)


if __name__ == "__main__":
    print(table(TURN_GUARDS))  # noqa: T201  # it is what the command is for
