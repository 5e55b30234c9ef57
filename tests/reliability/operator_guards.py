"""The guards of what an operator's command says and does. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.operator_guards`` prints it).
"""

from tests.reliability.guards import Guard, table


def _guard(name: str, file: str, old: str, new: str, killer: str) -> Guard:
    return Guard(name, f"shared/{file}", ((old, new),), f"tests/{killer}")


OPERATOR_GUARDS: tuple[Guard, ...] = (
    _guard(
        "nobody waits for the picture of another request",
        "cli/submitting.py",
        "        if clashes(generation, message.digest):\n",
        '        if clashes(generation, ""):\n',
        "cli/test_submitting.py::test_submit_never_waits_for_the_picture_of_another_request",
    ),
    _guard(
        "an empty span is no default",
        "cli/pausing.py",
        '    span = None if lasts is None else span_of(lasts, "--for")\n',
        '    span = span_of(lasts, "--for") if lasts else None\n',
        "cli/test_pausing.py::test_what_is_paused_is_named",
    ),
    _guard(
        "weights that cannot be written are not paid for",
        "cli/training.py",
        "    _check_into(order.into)\n",
        "",
        "cli/test_training.py::test_weights_that_could_not_be_written_are_not_paid_for",
    ),
    _guard(
        "a correction of a used id is compared",
        "cli/accounts.py",
        "        await _correct(operations, correction)  # it compares the content, and changes nothing\n",
        "",
        "cli/test_accounts.py::test_a_correction_of_a_used_id_with_other_content_is_refused",
    ),
    _guard(
        "a misspelt bucket is no new one",
        "cli/accounts.py",
        "    await _check_bucket(operations, correction, before)\n",
        "",
        "cli/test_accounts.py::test_a_correction_of_a_bucket_that_is_not_there_is_refused",
    ),
    _guard(
        "a quote asks the account",
        "cli/quoting.py",
        "await _refusal(operations, asked.request, found, plan) if asked.named else None",
        "None",
        "cli/test_quoting.py::test_a_request_that_the_account_cannot_pay_is_refused",
    ),
    _guard(
        "a revoke that took nothing is no success",
        "cli/account_settings.py",
        "    if not entry.revoked:\n",
        "    if not entry:\n",
        "cli/test_account_settings.py::test_it_says_that_nothing_is_left_to_revoke",
    ),
    _guard(
        "no option for the holder of a limit is dropped",
        "cli/account_settings.py",
        "        if each_user:\n",
        "        if not user:\n",
        "cli/test_account_settings.py::test_what_is_impossible_is_refused",
    ),
    _guard(
        "a destination is not given before Replicate knows it",
        "cli/destinations.py",
        "            await _check_exists(operations, named)\n",
        "            pass\n",
        "cli/test_destinations.py::test_what_cannot_be_made_is_refused_and_nothing_is_written",
    ),
    _guard(
        "who may ask for the health reads no path",
        "triggers/health.py",
        "        self._says = says or names_only\n",
        "        self._says = says or whole\n",
        "triggers/test_ready.py::test_an_unusable_data_file_is_red_and_one_line_a_minute",
    ),
)

if __name__ == "__main__":
    print(table(OPERATOR_GUARDS))  # noqa: T201  # it is what the command is for
