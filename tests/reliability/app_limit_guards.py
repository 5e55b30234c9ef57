"""The guards of the app's limits, and of what opens without an approval. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.app_limit_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, table, worker_test

_APP = "test_app_limits.py::"
_REBUILD = "test_app_rebuild.py::"
_APPROVING = "test_approving.py::"

APP_LIMIT_GUARDS: tuple[Guard, ...] = (
    Guard(
        "the app's limits are checked when the hold is saved",
        WORKER + "admission.py",
        (("    return gate.payer(payer) if gate else payer\n", "    return payer\n"),),
        worker_test(_APP + "test_requests_at_once_in_one_instance_exceed_nothing"),
    ),
    Guard(
        "what is about to be held counts",
        WORKER + "admission.py",
        (("        gate.reserve(quoted.cost)\n", "        pass\n"),),
        worker_test(_APP + "test_requests_at_once_in_one_instance_exceed_nothing"),
    ),
    Guard(
        "nothing opens by tallies that are too old",
        WORKER + "app_limits.py",
        (("    await _read_if_old(deps)\n    return Gate(", "    return Gate("),),
        worker_test(_APP + "test_tallies_that_cannot_be_read_open_nothing"),
    ),
    Guard(
        "what moves is written at once",
        WORKER + "app_limits.py",
        (("    if pending:\n", "    if pending and deps.app_use.row is None:\n"),),
        worker_test(_REBUILD + "test_what_is_given_back_is_written_at_once"),
    ),
    Guard(
        "a write whose answer was lost is known by its time",
        WORKER + "app_limits.py",
        (("if (made.tally, made.at) == wrote), [])", "if wrote and made.tally == wrote[0]), [])"),),
        worker_test(_REBUILD + "test_a_write_is_not_taken_for_one_whose_moves_were_dropped"),
    ),
    Guard(
        "what lowers the app's use is written soon or never",
        WORKER + "app_limits.py",
        (("((entry.at + WITHIN if rebuilt else None, less)", "((None, less)"),),
        worker_test(_REBUILD + "test_what_is_given_back_is_subtracted_once_if_it_could_not_be_written"),
    ),
    Guard(
        "a rebuild that corrects waits for those who may still write",
        WORKER + "app_rebuild.py",
        (("used, began, PATIENCE_S)", "used, began, SETTLE_S)"),),
        worker_test(_REBUILD + "test_what_is_given_back_is_subtracted_once_if_it_could_not_be_written"),
    ),
    Guard(
        "a write whose answer was lost counts nothing twice",
        WORKER + "app_limits.py",
        (("if (made.tally, made.at) == wrote), [])", "if made is wrote), [])"),),
        worker_test(_APP + "test_a_lost_answer_of_a_write_counts_nothing_twice"),
    ),
    Guard(
        "what a killed instance opened is counted by the rebuild",
        CORE + "money/tally.py",
        (("            slots[number] = other\n", "            slots[number] = had.slots.get(number, (0, 0))\n"),),
        worker_test(_REBUILD + "test_a_killed_instance_is_made_good_by_the_rebuild"),
    ),
    Guard(
        "who moves during a rebuild is not counted twice",
        CORE + "money/tally.py",
        (("_each(max, had.slots.get(number, (0, 0)), _each(min, one, other))", "_each(max, one, other)"),),
        core_test("test_tally.py::test_a_base_is_not_changed_by_those_who_move_meanwhile"),
    ),
    Guard(
        "the first base is not too low",
        CORE + "money/tally.py",
        (
            (
                "            slots[number] = _each(max, one, other)\n",
                "            slots[number] = _each(min, one, other)\n",
            ),
        ),
        core_test("test_tally.py::test_the_first_base_is_the_higher_one"),
    ),
    Guard(
        "where somebody may have moved nothing is lowered",
        WORKER + "app_rebuild.py",
        (("(number < holds_from and same)", "same"),),
        worker_test(_REBUILD + "test_a_hold_and_what_another_gives_back_do_not_hide_each_other"),
    ),
    Guard(
        "what an unreadable account has used still counts",
        WORKER + "app_rebuild.py",
        (("        if not used.whole:\n            return False\n", ""),),
        worker_test(_REBUILD + "test_an_unreadable_account_stops_no_rebuild_and_is_not_forgotten"),
    ),
    Guard(
        "a limit that is set is in force at once",
        WORKER + "app_settings.py",
        ((", at_once=True)\n", ")\n"),),
        worker_test(_APP + "test_a_limit_that_is_set_again_counts_what_was_used_meanwhile"),
    ),
    Guard(
        "a limit that is set again is a first one",
        WORKER + "app_settings.py",
        (("    unknown = not before.limits or rows.base is None", "    unknown = rows.base is None"),),
        worker_test(_APP + "test_a_limit_that_is_set_again_counts_what_was_used_meanwhile"),
    ),
    Guard(
        "a rebuild ends in time",
        WORKER + "app_rebuild.py",
        (("        if deps.now() - now > timedelta(seconds=MOST_S):\n            return None\n", ""),),
        worker_test(_REBUILD + "test_a_rebuild_that_takes_too_long_ends_and_changes_nothing"),
    ),
    Guard(
        "an account that cannot be read stops no rebuild",
        WORKER + "app_rebuild.py",
        (("    except UnreadableRow as unreadable:\n", "    except KeyError as unreadable:\n"),),
        worker_test(_REBUILD + "test_an_unreadable_account_stops_no_rebuild_and_is_not_forgotten"),
    ),
    Guard(
        "an app without limits reads and writes no tallies",
        WORKER + "saving.py",
        (("    if saved.transition.entries and deps.recent_switches.known_limits.limits:\n", "    if saved:\n"),),
        worker_test(_APP + "test_without_a_limit_of_the_app_nothing_is_read_or_written"),
    ),
    Guard(
        "no customer reads how much the app uses",
        CORE + "money/limits.py",
        (
            (
                "    return limit.unit is Unit.CREDITS and limit.scope is not Scope.APP\n",
                "    return limit.unit is Unit.CREDITS\n",
            ),
        ),
        worker_test(_APP + "test_instances_that_know_of_each_other_exceed_nothing"),
    ),
    Guard(
        "a warning of the app is in the answer of who reached it",
        CORE + "lifecycle/opening.py",
        (("notices=(*moved.notices, *payer.app_notices(quoted.cost)),", "notices=moved.notices,"),),
        worker_test(_APP + "test_a_warning_of_the_app_is_published_once_and_is_in_the_answer[rolling_24h-in 24 hours]"),
    ),
    Guard(
        "a warning of the app is published to nobody in particular",
        WORKER + "warnings.py",
        (("if each.limit.scope is not Scope.APP):", "):"),),
        worker_test(_APP + "test_a_warning_of_the_app_is_published_once_and_is_in_the_answer[rolling_24h-in 24 hours]"),
    ),
    Guard(
        "an approver of an account lets nothing past a limit of the app",
        CORE + "lifecycle/approval.py",
        (("    return not of_app and account", "    return account"),),
        worker_test(_APP + "test_a_request_past_a_limit_of_the_app_waits_for_an_operator"),
    ),
    Guard(
        "a limit that is raised opens what waited for an approval",
        WORKER + "reconsidering.py",
        (("    for row in await deps.index.awaiting_approval(account_id):\n", "    for row in []:\n"),),
        worker_test(_APPROVING + "test_it_opens_by_itself_when_its_limit_is_raised"),
    ),
    Guard(
        "what waits for an approval is looked at when its window ends",
        WORKER + "approving.py",
        (("max(free_at, soon) if free_at else", "waits.approval.until if free_at else"),),
        worker_test(_APPROVING + "test_it_opens_by_itself_when_its_window_ends"),
    ),
    Guard(
        "a look asks nothing twice",
        WORKER + "approving.py",
        (("    if published != waits.approval.asks:\n", "    if waits.approval.asks:\n"),),
        worker_test(_APPROVING + "test_a_look_at_what_still_needs_an_approval_changes_nothing"),
    ),
    Guard(
        "what was approved and cannot be screened is given up",
        WORKER + "checking.py",
        (
            (
                "            if not await _is_out_of_patience(deps, waits, loaded, trouble):\n",
                "            if trouble:\n",
            ),
        ),
        worker_test(_APPROVING + "test_what_was_approved_and_cannot_be_screened_is_given_up"),
    ),
)


if __name__ == "__main__":
    print(table(APP_LIMIT_GUARDS))  # noqa: T201  # it is what the command is for
