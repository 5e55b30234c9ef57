"""The guards of the app's limits, and of what opens without an approval. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.app_limit_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, table, worker_test

_APP = "test_app_limits.py::"
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
        "a hold is written at once",
        WORKER + "app_limits.py",
        (("    if holds or (", "    if (holds and use.row is None) or ("),),
        worker_test(_APP + "test_what_is_exceeded_is_what_was_opened_within_five_seconds"),
    ),
    Guard(
        "what the base has already is not written again",
        WORKER + "app_limits.py",
        (("if each[0] >= since]", "if since]"),),
        worker_test(_APP + "test_a_living_instance_does_not_count_twice_what_the_rebuild_has_counted"),
    ),
    Guard(
        "a write whose answer was lost counts nothing twice",
        WORKER + "app_limits.py",
        (("if use.row and made == use.row.tally), [])", "if use.row is None and made), [])"),),
        worker_test(_APP + "test_a_lost_answer_of_a_write_counts_nothing_twice"),
    ),
    Guard(
        "what a killed instance opened is counted by the rebuild",
        CORE + "money/tally.py",
        (("    return min(max(had, low), high)\n", "    return had if low <= high else low\n"),),
        worker_test(_APP + "test_a_killed_instance_is_made_good_by_the_rebuild"),
    ),
    Guard(
        "who moves during a rebuild is not counted twice",
        CORE + "money/tally.py",
        (("    return min(max(had, low), high)\n", "    return high if had <= high else had\n"),),
        core_test("test_tally.py::test_a_base_is_not_changed_by_those_who_move_meanwhile"),
    ),
    Guard(
        "an account that cannot be read costs its own use only",
        WORKER + "app_rebuild.py",
        (("    except UnreadableRow as unreadable:\n", "    except KeyError as unreadable:\n"),),
        worker_test(_APP + "test_an_unreadable_account_costs_its_own_use_only"),
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
