"""The guards of the night's audit, and of what it knows of accounts that moved. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.night_guards`` prints it).
"""

from tests.reliability.guards import WORKER, Guard, table, worker_test

_NIGHTS = "test_nights.py::test_"
_MOVES = "test_auditing.py::test_an_account_that_moves_meanwhile_is_no_difference"

NIGHT_GUARDS: tuple[Guard, ...] = (
    Guard(
        "an account is noted before a generation moves it",
        WORKER + "grouping.py",
        (("        await note_move(deps, mine.key.account_id)\n    try:\n", "        pass\n    try:\n"),),
        worker_test("test_noting.py::test_nothing_moves_before_it_is_noted[request]"),
    ),
    Guard(
        "an account is noted before a group moves it",
        WORKER + "grouping.py",
        (("        await note_move(deps, account_id)\n        group =", "        group ="),),
        worker_test("test_noting.py::test_no_group_moves_before_it_is_noted"),
    ),
    Guard(
        "an account is noted before a command moves it",
        WORKER + "accounts.py",
        (("    await note_move(deps, account.account_id)\n", ""),),
        worker_test("test_noting.py::test_nothing_moves_before_it_is_noted[grant]"),
    ),
    Guard(
        "an account is noted before a refund moves it",
        WORKER + "accounts.py",
        (("    await note_move(deps, payer.account.account_id)\n", ""),),
        worker_test("test_noting.py::test_nothing_moves_before_it_is_noted[refund]"),
    ),
    Guard(
        "a day is looked at when it is over on every clock",
        WORKER + "nights.py",
        (("    return (now - _OVER_AFTER).date()", "    return now.date()"),),
        worker_test(f"{_NIGHTS}a_day_is_looked_at_when_it_is_over_on_every_clock"),
    ),
    Guard(
        "an account that is not finished comes again",
        WORKER + "nights.py",
        (("                    blocked = blocked or not looked.finished\n", ""),),
        worker_test(f"{_NIGHTS}a_call_goes_on_within_an_account"),
    ),
    Guard(
        "a call that stops leaves a head to go on from",
        WORKER + "walking.py",
        (
            (
                "            if late or point.seq - signed >= SIGN_AFTER:\n",
                "            if point.seq - signed >= SIGN_AFTER:\n",
            ),
        ),
        worker_test(f"{_NIGHTS}a_call_goes_on_within_an_account"),
    ),
    Guard(
        "an account that is not whole is looked at in each night",
        WORKER + "nights.py",
        (("        if differences:\n", "        if not differences:\n"),),
        worker_test(f"{_NIGHTS}a_difference_is_reported_each_night_and_nothing_is_signed"),
    ),
    Guard(
        "only what is whole is signed",
        WORKER + "nights.py",
        (("    if not found and walked.point.seq", "    if walked.point.seq"),),
        worker_test(f"{_NIGHTS}a_difference_is_reported_each_night_and_nothing_is_signed"),
    ),
    Guard(
        "one account costs its own audit only",
        WORKER + "nights.py",
        (("        except Exception as bug:", "        except OSError as bug:"),),
        worker_test(f"{_NIGHTS}one_account_costs_its_own_audit_only"),
    ),
    Guard(
        "a night that does not come to its end says so",
        WORKER + "nights.py",
        (("            _report_unfinished(deps, last)\n", "            pass\n"),),
        worker_test(f"{_NIGHTS}a_night_whose_last_call_never_came_is_reported_by_the_next_night"),
    ),
    Guard(
        "an account with very many open generations blocks nobody",
        WORKER + "nights.py",
        (("min(until, deps.now() + OPEN_ROWS)", "until"),),
        worker_test(f"{_NIGHTS}an_account_with_very_many_open_requests_blocks_nobody"),
    ),
    Guard(
        "an account that was passed over is looked at in the next night",
        WORKER + "nights.py",
        (
            (
                "_passed_over(self._deps, account_id)\n        await self._deps.moved.note(account_id",
                "_passed_over(self._deps, account_id)\n        (account_id",
            ),
        ),
        worker_test(f"{_NIGHTS}an_account_with_very_many_open_requests_blocks_nobody"),
    ),
    Guard(
        "no account is passed over that had less than its time",
        WORKER + "nights.py",
        (("        if self._deps.now() >= self._until:  # the", "        if self._deps.now() is None:  # the"),),
        worker_test(f"{_NIGHTS}what_a_call_had_too_little_time_for_is_the_next_ones_first_work"),
    ),
    Guard(
        "an entry beyond the account's is found",
        WORKER + "nights.py",
        (("    if walked.beyond > last:\n", "    if False:\n"),),
        worker_test(f"{_NIGHTS}an_entry_that_no_account_knows_is_found"),
    ),
    Guard(
        "an account whose row is gone is reported",
        WORKER + "nights.py",
        (("        gone = await walking.gone(deps, account_id)\n", "        gone = None\n"),),
        worker_test("test_walking.py::test_an_account_whose_row_is_gone_is_reported_each_night[both]"),
    ),
    Guard(
        "an account that is opened meanwhile is not reported as gone",
        WORKER + "walking.py",
        (("    return None if account else Misfit(0,", "    return Misfit(0,"),),
        worker_test("test_walking.py::test_an_account_that_never_was_is_no_difference"),
    ),
    Guard(
        "what comes before an entry that cannot be read is walked",
        WORKER + "walking.py",
        (
            (
                "            walked = verified(page, after=point)\n            yield walked if",
                "            walked = point\n            yield walked if",
            ),
        ),
        worker_test("test_walking.py::test_what_does_not_fit_before_an_entry_that_cannot_be_read_is_named_first"),
    ),
    Guard(
        "a hold that was made meanwhile is not counted",
        WORKER + "open_holds.py",
        (("            held.pop(name, None)\n", ""),),
        worker_test(f"{_MOVES}[opens-False]"),
    ),
    Guard(
        "a hold that has ended meanwhile is counted",
        WORKER + "open_holds.py",
        (("            held[name] = -entry.held\n", "            pass\n"),),
        worker_test(f"{_MOVES}[ends-True]"),
    ),
    Guard(
        "a hold that was made and has ended meanwhile is not counted",
        WORKER + "open_holds.py",
        ((" and name not in since:\n", ":\n"),),
        worker_test(f"{_MOVES}[opens and ends-False]"),
    ),
    Guard(
        "a bucket's credits are those of the ledger since the last head",
        WORKER + "auditing.py",
        (
            (
                "        found += [_of_bucket(account, shown.get(name, name), *each) for each in both]\n",
                "",
            ),
        ),
        worker_test("test_walking.py::test_a_bucket_that_somebody_changed_is_found_though_the_sums_fit"),
    ),
)


if __name__ == "__main__":
    print(table(NIGHT_GUARDS))  # noqa: T201  # it is what the command is for
