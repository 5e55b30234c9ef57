"""The guards of moves that are saved in groups. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.group_guards`` prints it).
"""

from tests.reliability.guards import WORKER, Guard, table, worker_test

_GROUPING, _RIVALS = WORKER + "grouping.py", "shared/ports/rivals.py"


def _test(name: str) -> str:
    return worker_test(f"test_grouping.py::{name}")


def _loss(name: str) -> str:
    return worker_test(f"test_group_losses.py::{name}")


def _rival(name: str) -> str:
    return worker_test(f"test_rivals.py::{name}")


GROUP_GUARDS: tuple[Guard, ...] = (
    Guard(
        "a move of a group is decided on the account as the one before leaves it",
        _GROUPING,
        (("        known = _after(known, each, transition)\n", ""),),
        _test("test_what_waits_is_saved_together"),
    ),
    Guard(
        "two deliveries of one message are not in one group",
        _GROUPING,
        (("        if each.key in taken:", "        if each.key in ():"),),
        _test("test_two_deliveries_of_one_message_are_one_move"),
    ),
    Guard(
        "a move that cannot be decided fails nobody else",
        _GROUPING,
        (("    except Exception:  # noqa: BLE001  # whatever it is", "    except KeyError:  # whatever it is"),),
        _test("test_a_move_that_cannot_be_decided_fails_nobody_else"),
    ),
    Guard(
        "a row that is refused fails its own call only",
        _GROUPING,
        (("        if len(group) == 1:\n            raise\n", "        if group:\n            raise\n"),),
        _test("test_a_row_that_is_refused_fails_its_own_call_only"),
    ),
    Guard(
        "a group without an answer is one for each of its calls",
        _GROUPING,
        (("            moves.answer(each.move, trouble)\n", "            moves.answer(each.move, Fate.ALONE)\n"),),
        _loss("test_no_answer_to_a_group_is_no_answer_to_each[False]"),
    ),
    Guard(
        "if a leader is gone, each of the others saves its own move",
        _GROUPING,
        (
            (
                "        for each in moves.group:\n            moves.answer(each, Fate.ALONE)\n        raise\n",
                "        raise\n",
            ),
        ),
        _loss("test_a_leader_that_is_canceled_leaves_each_to_save_its_own[False]"),
    ),
    Guard(
        "what a leader saved before it was gone is known as one's own",
        WORKER + "saving.py",
        (("            if mine.prepared is not None and loaded", "            if mine.prepared is None and loaded"),),
        _loss("test_a_leader_that_is_canceled_leaves_each_to_save_its_own[True]"),
    ),
    Guard(
        "a call that is canceled when its turn has come hands over",
        _GROUPING,
        (("        if mine.leads:\n", "        if not mine.key:\n"),),
        _loss("test_a_call_that_is_canceled_when_its_turn_has_come_hands_over"),
    ),
    Guard(
        "a canceled call leaves the line",
        _GROUPING,
        (("        moves.leave(mine)\n        raise\n", "        raise\n"),),
        _loss("test_a_call_that_is_canceled_while_moves_are_gathered_is_not_saved"),
    ),
    Guard(
        "if no rival moved the account, each call reads its own rows",
        _GROUPING,
        (("    if before is None or before.etag != etag:\n", "    if before is None or etag:\n"),),
        _loss("test_a_generation_that_changed_costs_the_others_no_more_than_a_try"),
    ),
    Guard(
        "moves are gathered where rivals were met",
        _GROUPING,
        (("rivals.wait_s(account_id, deps.now(), deps.chance(), full=full, fresh=fresh) if gathers else 0.0", "0.0"),),
        _loss("test_moves_are_gathered_where_rivals_were_met"),
    ),
    Guard(
        "a process leaves the others a gap",
        _RIVALS,
        (("if account.in_a_row >= most else", "if account.in_a_row < 0 else"),),
        "tests/dev/test_crowd.py::test_no_process_is_shut_out_by_another",
    ),
    Guard(
        "processes that did not meet do not meet an interval later",
        _RIVALS,
        (("max(least_s, interval_s - gone_s)", "max(least_s, interval_s)"),),
        _rival("test_the_interval_begins_with_the_last_save"),
    ),
    Guard(
        "a clock that is set back makes nobody wait longer",
        _RIVALS,
        (("max(0.0, (now - account.began_at).total_seconds())", "(now - account.began_at).total_seconds()"),),
        _rival("test_a_clock_that_is_set_back_makes_nobody_wait_longer"),
    ),
    Guard(
        "a group that has lost comes again smaller",
        _GROUPING,
        (("    if tried:\n        return MOST_AGAIN\n", ""),),
        _loss("test_a_large_group_comes_again_smaller"),
    ),
    Guard(
        "what waited for others to be gathered is saved together, also if nobody else moved the account",
        _GROUPING,
        (("_read_again(deps, moves) and tried:", "_read_again(deps, moves):"),),
        _loss("test_what_was_gathered_is_saved_together_where_no_rival_came"),
    ),
    Guard(
        "a group is bounded in rows",
        "shared/adapters/azure_storage/tables/bounds.py",
        (("        if len(rows) > MOST_ROWS or sum", "        if sum"),),
        "tests/adapters/test_tables_groups.py::test_rows_that_moves_share_count_once",
    ),
    Guard(
        "a group is bounded in bytes",
        "shared/adapters/azure_storage/tables/bounds.py",
        ((" or sum(rows.values()) > MOST_BYTES:\n", ":\n"),),
        "tests/adapters/test_tables_groups.py::test_a_group_is_bounded_in_bytes[x]",
    ),
)

if __name__ == "__main__":
    print(table(GROUP_GUARDS))  # noqa: T201  # it prints: it is a command
