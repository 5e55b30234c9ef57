"""The guards of approvals and of limits' warnings. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.approval_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, table, worker_test

_APPROVING, _PAUSED = "test_approving.py::", "test_pausing_approvals.py::"

APPROVAL_GUARDS: tuple[Guard, ...] = (
    Guard(
        "a warning that a crash left is published by the next delivery",
        WORKER + "requests.py",
        (
            (
                "(event_of(generation), again)\n    await publish_warnings(deps, generation)\n",
                "(event_of(generation), again)\n",
            ),
        ),
        worker_test("test_limits.py::test_a_warning_that_a_crash_left_unpublished_is_published"),
    ),
    Guard(
        "a step of a limit is noticed once in a window",
        CORE + "money/moves.py",
        (
            (
                "        after = replace(after, warned=answers[1 if user is None else 0].warned)\n",
                "        after = replace(after)\n",
            ),
        ),
        worker_test("test_limits.py::test_a_warning_is_published_once_for_each_step"),
    ),
    Guard(
        "a limit that was changed warns anew",
        CORE + "money/limits.py",
        ((' and each.terms in ("", _terms(limit))', ""),),
        worker_test("test_limits.py::test_a_limit_that_was_changed_warns_anew_and_the_same_limit_does_not"),
    ),
    Guard(
        "a limit that a plan change has changed warns anew",
        CORE + "money/limits.py",
        (("each.until, _terms(limit))\n", "each.until)\n"),),
        worker_test("test_limits.py::test_a_plan_that_warns_at_another_amount_warns_anew"),
    ),
    Guard(
        "what needs an approval holds nothing without it",
        WORKER + "admission.py",
        (
            (
                "    if exceeded and isinstance(quoted, Quote):\n",
                "    if isinstance(None, Quote) and exceeded:\n",
            ),
        ),
        worker_test(_APPROVING + "test_it_waits_screened_with_nothing_held_and_an_event_asks"),
    ),
    Guard(
        "a quote that is handed on holds for its plan only",
        WORKER + "quotes.py",
        (("before and before.plan == plan.name", "before"),),
        worker_test("test_calls_of_the_core.py::test_another_plan_at_the_save_is_quoted_anew"),
    ),
    Guard(
        "an approval overrides its own limit only",
        CORE + "money/limits.py",
        (
            (
                "    mine = [each for each in approvals if (each.limit_id, each.scope) == named]\n",
                "    mine = approvals\n",
            ),
        ),
        worker_test(_APPROVING + "test_an_approval_overrides_its_own_limit_only"),
    ),
    Guard(
        "an approval of a limit of another scope is no approval",
        CORE + "money/limits.py",
        (("(each.limit_id, each.scope) == named]", "each.limit_id == limit.limit_id]"),),
        worker_test(_APPROVING + "test_a_limit_of_the_users_of_the_same_id_is_another_limit"),
    ),
    Guard(
        "a dearer quote asks again",
        CORE + "money/limits.py",
        (("    return any(cost.credits <= each.most_credits for each in mine)\n", "    return bool(mine)\n"),),
        worker_test(_APPROVING + "test_a_dearer_quote_asks_again"),
    ),
    Guard(
        "only an operator or an approver decides",
        WORKER + "approving.py",
        (
            (
                "    if not may_decide(current.account, found.approval if found else None, command.by):\n",
                "    if may_decide is None:\n",
            ),
        ),
        worker_test(_APPROVING + "test_nobody_else_may_decide"),
    ),
    Guard(
        "nothing is decided after its time",
        CORE + "lifecycle/approving.py",
        (('    return "the time to approve it is over" if now >= until else ""\n', '    return ""\n'),),
        worker_test(_APPROVING + "test_nobody_decides_in_time"),
    ),
    Guard(
        "what nobody decides ends",
        CORE + "lifecycle/approving.py",
        (("    if wanted is None or not wanted.pending or now < until:\n", "    if now:\n"),),
        worker_test(_APPROVING + "test_nobody_decides_in_time"),
    ),
    Guard(
        "a command decides once",
        WORKER + "approving.py",
        (("    if _is_decided_by(found, command.command_id, answer):\n", "    if found == command:\n"),),
        worker_test(_APPROVING + "test_a_decision_is_final"),
    ),
    Guard(
        "the row is due before the approval is saved",
        WORKER + "approving.py",
        (
            (
                "        await deps.index.move(key, due_at, keeps_until(deps, due_at))\n",
                "        pass\n",
            ),
        ),
        worker_test(_APPROVING + "test_a_crash_after_the_approval_is_made_good_by_the_timer"),
    ),
    Guard(
        "an approval that a crash left unasked is asked",
        WORKER + "requests.py",
        (
            (
                "            await _ask_again(deps, found, loaded, exceeded, quoted, published)\n            return\n",
                "            return\n",
            ),
        ),
        worker_test(_APPROVING + "test_a_crash_before_the_event_is_made_good_by_the_check"),
    ),
    Guard(
        "what was screened is not screened again after an approval",
        WORKER + "admission.py",
        (("    if before and all(", "    if before is None and all("),),
        worker_test(_APPROVING + "test_an_approval_opens_it_without_screening_it_again"),
    ),
    Guard(
        "another policy screens again what was approved",
        WORKER + "admission.py",
        (("(each.policy, each.plan) == (deps.policy.version, quoted.plan)", "each.plan"),),
        worker_test(_APPROVING + "test_it_is_screened_again_if_the_policy_has_changed"),
    ),
    Guard(
        "a copied input is kept as long as its generation is open",
        WORKER + "retention.py",
        ((" in self._prefixes\n", " in self._prefixes - self._prefixes\n"),),
        worker_test(f"{_PAUSED}test_the_input_of_what_waits_for_a_turn_is_kept"),
    ),
    Guard(
        "a copied input is kept as long as it is paused",
        WORKER + "retention.py",
        ((" in self._prefixes\n", " in self._prefixes - self._prefixes\n"),),
        worker_test(f"{_PAUSED}test_the_input_of_what_is_paused_is_kept"),
    ),
    Guard(
        "a copied input is kept while the call that copied it may open its generation",
        WORKER + "retention.py",
        (("now - _INPUT_LIFE, ", "now + _INPUT_LIFE, "),),
        "tests/worker/test_safety.py::test_an_input_whose_request_died_is_swept",
    ),
    Guard(
        "an input that is copied again during a sweep stays",
        "dev/fakes/blobs.py",
        ((" and self.inputs.get(name) is blob:\n", ":\n"),),
        "tests/adapters/test_blobs.py::test_what_is_stored_again_during_a_sweep_stays[fake]",
    ),
    Guard(
        "a pause moves the time to approve",
        CORE + "switches.py",
        (
            (
                "            ends, reached = ends + (span.until - start), span.until\n",
                "            reached = span.until\n",
            ),
        ),
        worker_test(f"{_PAUSED}test_the_time_to_approve_moves_by_the_length_of_the_pauses"),
    ),
    Guard(
        "an event says until when it can really be decided",
        WORKER + "approving.py",
        (
            (
                "until=await moved_until(deps, waits, asked, loaded, quoted),\n",
                "until=asked.until,\n",
            ),
        ),
        worker_test(f"{_PAUSED}test_the_event_says_when_its_time_really_ends"),
    ),
    Guard(
        "pauses that overlap move the time to approve once",
        CORE + "switches.py",
        (
            (
                "        start = max(span.since, reached)\n        if start < min(span.until, ends)",
                "        start = max(span.since, since)\n        if start < min(span.until, ends)",
            ),
        ),
        core_test("test_switches.py::test_a_wait_ends_later_by_its_pauses"),
    ),
    Guard(
        "what a pause has moved is looked at again before its new end",
        WORKER + "approving.py",
        ((", deps.now() + _LOOK_AGAIN))", ", deps.now() + 1000 * _LOOK_AGAIN))"),),
        worker_test(f"{_PAUSED}test_the_time_to_approve_moves_by_the_length_of_the_pauses"),
    ),
    Guard(
        "what needs an approval again says so",
        WORKER + "requests.py",
        (("    if found.reason is not Reason.APPROVAL_NEEDED:\n", "    if found.reason is None:\n"),),
        worker_test(f"{_PAUSED}test_what_needs_an_approval_again_says_no_more_that_it_waits_for_its_turn"),
    ),
    Guard(
        "an approval is of a whole number of credits",
        WORKER + "approving.py",
        (('    whole("most_credits", most_credits, 0, MOST_CREDITS)\n', ""),),
        worker_test("test_approving_edges.py::test_an_approval_is_of_a_whole_number_of_credits"),
    ),
    Guard(
        "an event that asks again under the same id has the same time",
        WORKER + "approving.py",
        (("            at=asked.last_asked_at,\n", "            at=deps.now(),\n"),),
        worker_test("test_approving_edges.py::test_an_event_that_is_published_again_is_the_same_event"),
    ),
)


if __name__ == "__main__":
    print(table(APPROVAL_GUARDS))  # noqa: T201  # it is what the command is for
