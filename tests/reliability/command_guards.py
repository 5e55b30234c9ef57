"""The guards of account commands, and of requests that clash with another. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.command_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, table, worker_test

_FOUND = "    return found is not None and found.request is not None and bool(found.request.digest)\n"

_CLASHES, _COMMANDS = "tests/worker/test_clashes.py::", "tests/worker/test_account_commands.py::"

_RIVALS = "test_command_rivals.py::test_"

COMMAND_GUARDS: tuple[Guard, ...] = (
    Guard(
        "the same id with other content is no request of the generation",
        WORKER + "requests.py",
        (
            (
                "    if clashes(found, digest):\n        await refuse_clash(deps, key, digest, again)",
                "    if False:\n        pass",
            ),
        ),
        f"{_CLASHES}test_another_request_under_the_id_changes_nothing_and_is_refused",
    ),
    Guard(
        "of two requests at once the second does not open the first one's row",
        WORKER + "admission.py",
        ((" or clashes(before, message.digest):", ":"),),
        f"{_CLASHES}test_two_requests_at_once_one_opens_and_the_other_is_refused",
    ),
    Guard(
        "nor does it end in silence if the first was parked",
        WORKER + "parking.py",
        (
            (
                "    if clashes(after, message.digest):\n        raise too_many()",
                "    if False:\n        raise too_many()",
            ),
        ),
        f"{_CLASHES}test_of_two_requests_at_once_without_a_turn_one_waits_and_the_other_is_refused",
    ),
    Guard(
        "of two requests at once the second hears that its id is taken",
        WORKER + "requests.py",
        (
            (
                "        if clashes(reserved.generation, digest):\n",
                "        if False:\n",
            ),
        ),
        f"{_CLASHES}test_two_requests_at_once_one_opens_and_the_other_is_refused",
    ),
    Guard(
        "garbage under the id of a request is another request",
        WORKER + "clashes.py",
        ((_FOUND, "    return False\n"),),
        f"{_CLASHES}test_another_request_under_the_id_changes_nothing_and_is_refused",
    ),
    Guard(
        "a row without a digest takes any request as the same",
        WORKER + "clashes.py",
        (
            (
                "    return bool(saved and digest and saved != digest)\n",
                "    return found is not None and saved != digest\n",
            ),
        ),
        f"{_CLASHES}test_a_row_without_a_digest_takes_any_request_as_the_same",
    ),
    Guard(
        "what waited too long ends no other request",
        WORKER + "requests.py",
        (('    if clashes(found, digest):\n        await refuse_clash(deps, key, digest, "")\n        return\n', ""),),
        f"{_CLASHES}test_what_waited_too_long_ends_no_other_request",
    ),
    Guard(
        "a dead letter of another request ends nothing",
        WORKER + "dead_letters.py",
        (("isinstance(message, GenerationRequest) and clashes(found, carried or message.digest)", "False"),),
        f"{_CLASHES}test_a_dead_letter_of_another_request_ends_nothing",
    ),
    Guard(
        "the copy of a create carries the digest of its request",
        WORKER + "deferring.py",
        (("        digest=generation.request.digest,\n", ""),),
        f"{_CLASHES}test_a_picture_whose_create_waits_goes_on_by_its_copy",
    ),
    Guard(
        "a flag that a later version adds changes no saved digest",
        "shared/core/requests/digest.py",
        (
            (
                "            if value is not None and value is not field.type.default:\n",
                "            if value is not None:\n",
            ),
        ),
        f"{_CLASHES}test_a_digest_is_of_nothing_but_what_the_user_sent",
    ),
    Guard(
        "the same id with other content is no command",
        WORKER + "account_commands.py",
        (("    if record.digest != command.digest:\n", "    if False:\n"),),
        f"{_COMMANDS}test_the_same_id_with_other_content_is_refused_by_name",
    ),
    Guard(
        "a command that was decided is not decided again",
        WORKER + "account_commands.py",
        (("    if record.answer is None:\n        record =", "    if True:\n        record ="),),
        f"{_COMMANDS}test_what_was_decided_is_not_tried_again",
    ),
    Guard(
        "a command that was overtaken hears that it changed nothing",
        WORKER + "applying.py",
        (("    if entry.superseded:\n", "    if False:\n"),),
        f"{_COMMANDS}test_a_command_that_was_overtaken_while_it_was_applied_is_not_saved_late",
    ),
    Guard(
        "a clock that is wrong does not win for ever",
        "shared/core/money/settings.py",
        (("min(issued_at, enqueued_at)", "issued_at"),),
        f"{_COMMANDS}test_commands_for_one_setting_leave_the_same_setting_in_any_order",
    ),
    Guard(
        "a deferred command keeps the time at which it came",
        WORKER + "account_commands.py",
        (("    came_at = envelope.since or envelope.enqueued_at or now\n", "    came_at = now\n"),),
        f"{_COMMANDS}test_while_the_tables_are_down_a_command_is_deferred_without_an_end",
    ),
    Guard(
        "a command that a crash cut off is not made twice",
        WORKER + "accounts.py",
        (
            (
                "            if await _is_posted(deps, account_id, move, command.command_id, wanted.asked):\n",
                "            if wanted is None:\n",
            ),
        ),
        f"{_COMMANDS}test_a_revoke_of_everything_that_a_crash_cut_off_is_completed",
    ),
    Guard(
        "a command with an unknown field is refused",
        "shared/core/commands/parsing.py",
        (("    _refuse_unknown(command, known, body)\n", ""),),
        core_test("test_account_commands.py::test_a_misspelt_expiry_makes_no_credits_that_never_expire"),
    ),
    Guard(
        "a worker that was taken for dead makes nothing that was refused",
        CORE + "events/command_event.py",
        (("        return self.reason in _MADE_NOTHING\n", "        return False\n"),),
        worker_test(f"{_RIVALS}a_worker_that_was_taken_for_dead_makes_nothing_that_was_refused[refund before the end]"),
    ),
    Guard(
        "a worker that was taken for dead decides nothing that was refused",
        WORKER + "approving.py",
        (
            (
                "replace(_decided(deps, found, command, answer, until), mark=(kind, command.command_id))\n",
                "_decided(deps, found, command, answer, until)\n",
            ),
        ),
        worker_test(
            f"{_RIVALS}a_worker_that_was_taken_for_dead_makes_nothing_that_was_refused[approve before the request]"
        ),
    ),
    Guard(
        "what a worker that was taken for dead has made is the answer",
        WORKER + "account_commands.py",
        (
            (
                "        record = await deps.commands.settle(command, answer, deps.now(), is_made=True)\n",
                "        del answer\n",
            ),
        ),
        worker_test(f"{_RIVALS}what_a_worker_that_was_taken_for_dead_has_made_is_what_is_answered"),
    ),
    Guard(
        "a dead letter of another content is no failure of the command that was applied",
        WORKER + "account_commands.py",
        (("    if record.digest != message.digest:\n", "    if record.digest is None:\n"),),
        f"{_COMMANDS}test_a_dead_letter_of_another_content_is_no_failure_of_the_command_that_was_applied",
    ),
)


if __name__ == "__main__":
    print(table(COMMAND_GUARDS))  # noqa: T201  # it is what the command is for
