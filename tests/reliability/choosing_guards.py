"""The guards of choosing a model and of the accounts. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.choosing_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, table


def _core(test: str) -> str:
    return f"tests/core/{test}"


def _worker(test: str) -> str:
    return f"tests/worker/{test}"


CHOOSING_GUARDS: tuple[Guard, ...] = (
    Guard(
        "a fallback honours all that was asked",
        CORE + "catalog/catalog.py",
        (
            (
                "            if fallback.tier <= tier and not readings.misses(fallback):\n",
                "            if fallback:\n",
            ),
        ),
        _core("test_choosing.py::test_a_chain_keeps_what_was_asked"),
    ),
    Guard(
        "the plan's own model honours all that was asked",
        CORE + "catalog/catalog.py",
        (
            (
                "default.offered and not readings.misses(default):\n",
                "default.offered:\n",
            ),
        ),
        _core("test_honoured.py::test_what_nobody_honours_is_refused_with_what_could_be_said"),
    ),
    Guard(
        "so does the model of a quality, or of whoever the plan's own sends it to",
        CORE + "catalog/catalog.py",
        (("    fit = [model for model in allowed if not readings.misses(model)]\n", "    fit = allowed\n"),),
        _core("test_honoured.py::test_what_nobody_honours_is_refused_with_what_could_be_said"),
    ),
    Guard(
        "so does a successor",
        CORE + "catalog/catalog.py",
        (("    if readings.misses(successor_of):\n", "    if not successor_of:\n"),),
        _core("test_choosing.py::test_the_successor_takes_the_request_or_says_why_not"),
    ),
    Guard(
        "a named model never ignores a picture, a file or a duration",
        CORE + "catalog/mapping.py",
        (("    if brought is not None:\n", "    if brought is None and left_out is None:\n"),),
        _core("test_mapping.py::test_what_is_brought_and_how_long_it_is_to_be_is_never_left_out"),
    ),
    Guard(
        "credits are whole numbers within bounds",
        CORE + "money/credits.py",
        (("    if type(value) is not int or not low <= value <= high:\n", "    if not low <= value <= high:\n"),),
        _worker("test_accounts.py::test_what_is_no_number_of_credits_is_refused_by_name"),
    ),
    Guard(
        "a grant's id is one grant, with its amount and terms",
        WORKER + "accounts.py",
        (
            (
                "    if posted is not None and posted.asked != asked:\n",
                "    if posted != posted:\n",
            ),
        ),
        _worker("test_accounts.py::test_a_grant_id_with_another_amount_or_terms_is_refused_by_name"),
    ),
    Guard(
        "the hold is the dearest of the chain",
        CORE + "catalog/catalog.py",
        (
            (
                "    return max(unit_credits(link, request) for link in links) * outputs\n",
                "    return unit_credits(links[0], request) * outputs\n",
            ),
        ),
        _core("test_choosing.py::test_the_hold_is_the_dearest_of_the_chain"),
    ),
    Guard(
        "the limit is kept by every model of the chain",
        CORE + "catalog/catalog.py",
        ((" if affordable(link))\n", ")\n"),),
        _core("test_choosing.py::test_the_limit_shortens_the_chain_and_so_the_hold"),
    ),
    Guard(
        "no other plan stands in for one that is gone",
        WORKER + "admission.py",
        (("    plan = deps.plans.find(name)\n", '    plan = deps.plans.find(name) or deps.plans.find("")\n'),),
        _worker("test_plans.py::test_a_request_of_an_account_whose_plan_is_gone_waits_and_is_served_when_it_is_back"),
    ),
    Guard(
        "an output is screened by the plan that it was opened with",
        WORKER + "delivery.py",
        (("attempt, prediction, generation.plan)", 'attempt, prediction, "")'),),
        _worker("test_plans.py::test_a_generation_keeps_the_plan_it_was_opened_with"),
    ),
    Guard(
        "a plan's default model is offered and in its tier",
        CORE + "catalog/plans_file.py",
        (("        if name not in allowed:\n", "        if name is None:\n"),),
        _core("test_plans.py::test_a_mistake_in_a_plan_names_plan_field_and_what_is_allowed"),
    ),
)


if __name__ == "__main__":
    print(table(CHOOSING_GUARDS))  # noqa: T201  # it is what the command is for
