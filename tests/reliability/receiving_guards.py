"""The guards of a request that waits to open, and of an end that is published again. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.receiving_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, table, worker_test

_TEST = "tests/worker/test_receiving.py::"

RECEIVING_GUARDS: tuple[Guard, ...] = (
    Guard(
        "a request that waits to open has an index row",
        WORKER + "handler.py",
        (("            await _save_received(deps, message, trouble, comes_at)\n", "            pass\n"),),
        f"{_TEST}test_a_request_that_waits_has_a_row_and_is_in_the_open_index",
    ),
    Guard(
        "a lost copy of what waits to open is sent again",
        WORKER + "checking.py",
        (("        await deps.messenger.send(found.request, envelope)\n", ""),),
        f"{_TEST}test_a_lost_copy_is_sent_again_by_the_timer",
    ),
    Guard(
        "what waits to open opens by its own request",
        WORKER + "requests.py",
        (("        message = found.request\n", "        pass\n"),),
        f"{_TEST}test_the_first_request_of_an_id_is_the_one",
    ),
    Guard(
        "no transition takes a step that the state machine has not",
        CORE + "lifecycle/generation.py",
        (("    if after.state not in NEXT[before]:\n", "    if before not in NEXT:\n"),),
        core_test("test_types.py::test_a_step_that_the_state_machine_has_not_is_a_bug"),
    ),
    Guard(
        "a row with a hold and no attempt is read as nothing",
        "shared/adapters/azure_storage/tables/rows.py",
        (("    if held and attempt is None:\n", "    if held is None:\n"),),
        "tests/adapters/test_tables_rows.py::test_a_mixture_that_no_transition_makes_is_unreadable",
    ),
    Guard(
        "a request is not rejected by garbage under its id",
        WORKER + "requests.py",
        (
            ("    if found is not None and message is None:\n        return\n", ""),
            (" if message and not clashes(waits, digest) else None", ""),
        ),
        f"{_TEST}test_garbage_under_its_id_does_not_end_it",
    ),
    Guard(
        "a copy's id does not depend on the sender's",
        WORKER + "deferring.py",
        (
            (
                "        _copy_id(message, envelope, deferrals),\n",
                '        f"{envelope.message_id}~{deferrals}",\n',
            ),
        ),
        f"{_TEST}test_two_requests_with_one_message_id_both_wait",
    ),
    Guard(
        "an end is published again only for a repeated request",
        WORKER + "handler.py",
        (('            again = "" if envelope.is_copy else str(', "            again = str("),),
        f"{_TEST}test_a_request_of_an_ended_generation_publishes_its_end_again",
    ),
    Guard(
        "no copy is dropped because an earlier one has its id",
        WORKER + "deferring.py",
        (
            (
                '    return message.key.named("deferred", *what, deferrals, came)',
                '    return message.key.named("deferred", *what, deferrals)',
            ),
        ),
        f"{_TEST}test_the_copy_of_a_waiting_one_that_is_deferred_twice_is_never_dropped",
    ),
    Guard(
        "two users of an account have rows of their own",
        CORE + "keys.py",
        (("return _bounded(key.user_id, key.generation_id)", "return _bounded(key.generation_id)"),),
        worker_test("test_shared_account.py::test_two_users_of_an_account_may_use_the_same_id"),
    ),
    Guard(
        "a RowKey has its bound",
        CORE + "keys.py",
        (("if len(joined) <= IDS_BYTES:", "if joined:"),),
        core_test("test_keys.py::test_a_digest_stands_where_a_row_key_would_be_too_long"),
    ),
    Guard(
        "a misspelt account is refused",
        CORE + "requests/parsing.py",
        (("        if close:  # it says who pays", "        if False:  # it says who pays"),),
        worker_test("test_shared_account.py::test_a_misspelt_account_is_not_ignored"),
    ),
    Guard(
        "the callback's digest covers the account",
        CORE + "provider/webhook.py",
        (("ids = (callback.key.account_id, ", "ids = ("),),
        core_test("test_webhook.py::test_a_changed_address_is_not_ours"),
    ),
)


if __name__ == "__main__":
    print(table(RECEIVING_GUARDS))  # noqa: T201  # it is what the command is for
