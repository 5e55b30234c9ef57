"""The guards of credits: buckets, windows, limits, allowances, settings, the chain. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.money_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, flow_test, table, worker_test

_MONEY = CORE + "money/"

MONEY_GUARDS: tuple[Guard, ...] = (
    Guard(
        "no more is captured than was held",
        CORE + "money/moves.py",
        (("    if not 0 <= captured <= amount:\n", "    if captured < 0:\n"),),
        core_test("test_moves.py::test_no_more_is_captured_than_is_held"),
    ),
    Guard(
        "expiry takes nothing that is held",
        _MONEY + "buckets.py",
        (
            (
                "Change(bucket.terms, -bucket.available) for bucket in over if bucket.available",
                "Change(bucket.terms, -bucket.available, -bucket.held) for bucket in over",
            ),
        ),
        core_test("test_buckets.py::test_expiry_takes_what_is_available_and_nothing_that_is_held"),
    ),
    Guard(
        "what is given back to a bucket that has expired expires",
        _MONEY + "moves.py",
        (
            (
                "    return replace(_without_expired(so_far, entry.at), user=user)\n",
                "    return replace(so_far, user=user)\n",
            ),
        ),
        core_test("test_moves.py::test_a_release_after_the_expiry_expires_in_the_same_transaction"),
    ),
    Guard(
        "what is due is posted before a move",
        _MONEY + "moves.py",
        (("    return _without_expired(so_far, at)\n", "    return so_far\n"),),
        core_test("test_moves.py::test_an_end_that_never_opened_is_an_entry_of_zero_credits"),
    ),
    Guard(
        "no more is refunded than was captured",
        _MONEY + "moves.py",
        (("    if amount > captured:\n", "    if amount > MOST_SUM:\n"),),
        worker_test("test_accounts.py::test_refunds_give_back_at_most_what_was_captured"),
    ),
    Guard(
        "a generation remembers what was refunded",
        CORE + "lifecycle/refunding.py",
        (("generation.refunded_credits + amount)", "generation.refunded_credits)"),),
        worker_test("test_accounts.py::test_refunds_give_back_at_most_what_was_captured"),
    ),
    Guard(
        "an account has at most 100 live buckets",
        _MONEY + "moves.py",
        (("    if len(so_far.account.buckets) >= MOST_BUCKETS:\n", "    if not so_far:\n"),),
        core_test("test_moves.py::test_a_grant_beyond_100_live_buckets_is_refused_and_a_refund_is_not"),
    ),
    Guard(
        "the times of an account's entries never go back",
        _MONEY + "moves.py",
        (("    return max(posting.at, account.moved_at)\n", "    return posting.at\n"),),
        core_test("test_moves.py::test_times_of_entries_never_go_back"),
    ),
    Guard(
        "an allowance is granted once a period",
        _MONEY + "allowance.py",
        (("running is not None and at < running.end)", "running is not None and at < running.since)"),),
        core_test("test_allowance.py::test_a_period_is_granted_exactly_once"),
    ),
    Guard(
        "an account begins on the plan of its first command",
        _MONEY + "settings.py",
        (("brought(account, posting) if account.seq else Moved(account)", "brought(account, posting)"),),
        core_test("test_allowance.py::test_an_account_whose_first_command_is_its_plan_begins_on_that_plan[kept-100]"),
    ),
    Guard(
        "a period without an allowance rolls nothing over",
        _MONEY + "moves.py",
        (("    elif posting.allowance is None and account.running is not None:\n", "    elif not posting:\n"),),
        core_test("test_allowance.py::test_months_in_which_a_plan_was_gone_roll_nothing_over"),
    ),
    Guard(
        "what is spent of an allowance is taken off the next plan's share",
        _MONEY + "allowance.py",
        (("    granted = max(0, share - debt)\n", "    granted = share\n"),),
        core_test("test_allowance.py::test_changing_plans_to_and_fro_makes_no_credits"),
    ),
    Guard(
        "a release is subtracted from the window of its hold only",
        _MONEY + "windows.py",
        (
            (
                "if window.start <= held_at < window.end else window",
                "if held_at < window.end else window",
            ),
        ),
        core_test("test_windows.py::test_a_release_goes_back_to_the_windows_of_its_hold"),
    ),
    Guard(
        "a slot of the last 24 hours counts until all of it is out",
        _MONEY + "windows.py",
        (("SLOT_S, SLOTS = 15 * 60, 96\n", "SLOT_S, SLOTS = 15 * 60, 95\n"),),
        core_test("test_windows.py::test_a_slot_counts_until_all_of_it_is_out"),
    ),
    Guard(
        "a zone that is set is known to every worker",
        WORKER + "accounts.py",
        (("        check_zone(wanted.zone)\n", "        assert check_zone\n"),),
        worker_test("test_accounts.py::test_a_zone_that_is_only_a_hosts_is_refused_by_name"),
    ),
    Guard(
        "a limit that would be exceeded blocks",
        _MONEY + "payer.py",
        (("    if checked.blocked:\n", "    if checked.blocked and not cost.credits:\n"),),
        worker_test("test_requests.py::test_the_daily_limit_refuses_what_goes_beyond_it"),
    ),
    Guard(
        "what others use is not the use of the account's namesake",
        _MONEY + "account.py",
        (("        own=_own(account, entry),\n", ""),),
        worker_test("test_accounts.py::test_a_limit_for_each_user_counts_the_use_of_each"),
    ),
    Guard(
        "a limit of the account's namesake stops nobody else",
        _MONEY + "settings.py",
        (("account = replace(account, own_limits=limits) if own else replace", "account = replace"),),
        worker_test("test_accounts.py::test_a_limit_of_one_user_stops_nobody_else[acme]"),
    ),
    Guard(
        "removed limits are bounded, as those that are set",
        _MONEY + "settings.py",
        (
            ("    check_room((stamp.setting for", "    tuple((stamp.setting for"),
            ('("limit:")), setting)', '("limit:")))'),
        ),
        core_test("test_account_settings.py::test_the_number_of_limits_is_bounded"),
    ),
    Guard(
        "what costs nothing exceeds no limit",
        _MONEY + "limits.py",
        (("        elif asked and total > limit.amount", "        elif total > limit.amount"),),
        core_test("test_limits.py::test_what_costs_nothing_exceeds_nothing"),
    ),
    Guard(
        "a warning is given once in a window",
        _MONEY + "limits.py",
        (("if step > _published(limit, ground) else None", "if step else None"),),
        core_test("test_limits.py::test_a_warning_is_given_once_per_window_at_each_step"),
    ),
    Guard(
        "a suspended account opens nothing new",
        _MONEY + "payer.py",
        (("    if payer.account.standing is Standing.SUSPENDED:\n", "    if not payer:\n"),),
        worker_test("test_accounts.py::test_a_suspended_account_opens_nothing_new_and_what_is_open_ends"),
    ),
    Guard(
        "an older command changes no setting",
        _MONEY + "account.py",
        (
            (
                "last is None or (issued_at, command_id) > (last.issued_at, last.command_id)",
                "bool(issued_at) or last is None",
            ),
        ),
        core_test("test_account_settings.py::test_commands_leave_the_same_settings_in_any_order"),
    ),
    Guard(
        "an end that never opened is in the ledger",
        WORKER + "saving.py",
        (
            (
                "    return opening.posted(recorded, payer_of(deps, loaded), deps.now())\n",
                "    return opening.posted(recorded, None, deps.now())\n",
            ),
        ),
        worker_test("test_accounts.py::test_an_end_that_never_opened_is_in_the_ledger_of_an_account_that_exists"),
    ),
    Guard(
        "the entries that a save makes are linked",
        WORKER + "saving.py",
        (
            (
                '    return receipted(posted.sealed(loaded.account.head if loaded.account else "", names))\n',
                "    return receipted(posted if names else posted)\n",
            ),
        ),
        worker_test("test_auditing.py::test_sound_books_have_no_difference"),
    ),
    Guard(
        "a bucket's credits are those of the ledger",
        WORKER + "auditing.py",
        (
            (
                "        found += [_of_bucket(account, shown.get(name, name), *each) for each in both]\n",
                "",
            ),
        ),
        worker_test("test_auditing.py::test_a_balance_that_the_ledger_does_not_explain_is_reported_and_not_mended"),
    ),
    Guard(
        "an entry that does not fit the chain is reported",
        WORKER + "auditing.py",
        (("        return not fits or entry.digest != self.head\n", "        return False\n"),),
        worker_test("test_auditing.py::test_an_entry_that_was_changed_is_reported"),
    ),
    Guard(
        "what is due comes with the end of a generation",
        _MONEY + "moves.py",
        (
            (
                "    so_far = brought(account, posting)\n    sums = Sums(available=amount - captured,",
                "    so_far = Moved(account)\n    sums = Sums(available=amount - captured,",
            ),
        ),
        flow_test("webhook in the next period"),
    ),
    Guard(
        "what is due comes with a hold",
        _MONEY + "moves.py",
        (
            (
                "    so_far = brought(account, posting)\n    account, user = so_far.account",
                "    so_far = Moved(account)\n    account, user = so_far.account",
            ),
        ),
        flow_test("request at the end of a period"),
    ),
    Guard(
        "what is refunded to a bucket that has expired expires",
        _MONEY + "moves.py",
        (
            (
                "    return _without_expired(so_far, so_far.entries[-1].at)\n",
                "    return so_far\n",
            ),
        ),
        flow_test("refund of credits that have expired"),
    ),
    Guard(
        "a refund that a crash cut off is not made twice",
        WORKER + "accounts.py",
        ((" moves.said_of_refund(amount, key)):\n", " moves.said_of_refund(amount, key)) and False:\n"),),
        flow_test("refund"),
    ),
    Guard(
        "what may have been spent counts in a limit in USD",
        CORE + "lifecycle/generation.py",
        (
            (
                "    counts = generation.cost_usd_micros + generation.unmeasured_usd_micros\n",
                "    counts = generation.cost_usd_micros\n",
            ),
        ),
        worker_test("test_unmeasured.py::test_a_prediction_that_vanished_counts_the_worst_case"),
    ),
    Guard(
        "an attempt that was lost still counts beside the next",
        CORE + "lifecycle/transitions.py",
        (("loss_of(attempt), unmeasured(generation)\n", "loss_of(attempt), generation\n"),),
        worker_test("test_unmeasured.py::test_a_lost_attempt_counts_beside_the_one_that_was_measured"),
    ),
    Guard(
        "what a dead letter cancels counts as it was measured",
        WORKER + "dead_letters.py",
        ((" else _Stopped(prediction)\n", " else _Stopped()\n"),),
        worker_test("test_unmeasured.py::test_what_a_dead_letter_cancels_costs_what_the_provider_says"),
    ),
    Guard(
        "a success without a figure counts the worst case",
        CORE + "lifecycle/metering.py",
        (
            (
                "    return done if cost or prediction.status is not Status.SUCCEEDED else unmeasured(done)\n",
                "    return done\n",
            ),
        ),
        worker_test("test_unmeasured.py::test_a_success_whose_outputs_are_gone_counts_the_worst_case"),
    ),
    Guard(
        "what was surely not created costs nothing",
        CORE + "lifecycle/metering.py",
        (("    if generation.state not in (State.SUBMITTING, State.RUNNING):\n        return generation\n", ""),),
        worker_test("test_unmeasured.py::test_what_was_surely_not_created_counts_nothing[dead letter]"),
    ),
)


if __name__ == "__main__":
    print(table(MONEY_GUARDS))  # noqa: T201  # it is what the command is for
