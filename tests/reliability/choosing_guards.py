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
        CORE + "catalog/choosing.py",
        (
            (
                "    if default.kind == kind and default.offered and not readings.misses(default):\n",
                "    if default.kind == kind and default.offered:\n",
            ),
        ),
        _core("test_honoured.py::test_what_nobody_honours_is_refused_with_what_could_be_said"),
    ),
    Guard(
        "so does the model of a quality, or of whoever the plan's own sends it to",
        CORE + "catalog/choosing.py",
        (("    fit = [model for model in models if not readings.misses(model)]\n", "    fit = list(models)\n"),),
        _core("test_honoured.py::test_what_nobody_honours_is_refused_with_what_could_be_said"),
    ),
    Guard(
        "so does a successor",
        CORE + "catalog/choosing.py",
        (("    if readings.misses(successor_of):\n", "    if not successor_of:\n"),),
        _core("test_choosing.py::test_the_successor_takes_the_request_or_says_why_not"),
    ),
    Guard(
        "no model of another kind serves",
        CORE + "catalog/choosing.py",
        (("    of_kind = [model for model in offered if model.kind == kind]\n", "    of_kind = list(offered)\n"),),
        _core("test_routing.py::test_a_model_is_of_the_kind_that_was_asked_for"),
    ),
    Guard(
        "a fallback is of the same kind",
        CORE + "catalog/file.py",
        (("        if models[name].kind != model.kind:\n", "        if not models[name]:\n"),),
        _core("test_routing.py::test_fallbacks_and_successors_stay_within_the_kind"),
    ),
    Guard(
        "a successor is of the same kind",
        CORE + "catalog/file.py",
        (("        if successor_of.kind != model.kind:\n", "        if not successor_of:\n"),),
        _core("test_routing.py::test_fallbacks_and_successors_stay_within_the_kind"),
    ),
    Guard(
        "a tie goes to the cheaper in USD",
        CORE + "catalog/catalog.py",
        (
            (
                "return unit_credits(model, request), usd_micros, model.expected_s,",
                "return unit_credits(model, request), 0, model.expected_s,",
            ),
        ),
        _core("test_routing.py::test_a_tie_goes_to_the_cheaper_in_usd_then_to_the_faster"),
    ),
    Guard(
        "a name that means no single model is never guessed",
        CORE + "catalog/choosing.py",
        (
            (
                "        return _named_instead(catalog, known)\n",
                "        named = catalog.models[catalog.instead[known].models[-1]]\n",
            ),
        ),
        _core("test_routing.py::test_a_name_that_is_no_model_is_answered_with_what_to_ask_for"),
    ),
    Guard(
        "the length of a prompt counts as a field",
        CORE + "catalog/mapping.py",
        ((" >= low and length <= high:\n", " >= low or length <= high:\n"),),
        _core("test_routing_fields.py::test_a_chosen_model_takes_a_prompt_whole"),
    ),
    Guard(
        "a system prompt in the same text counts with the prompt",
        CORE + "catalog/mapping.py",
        (('    length = len(request.prompt) + len(with_system or "")\n', "    length = len(request.prompt)\n"),),
        _core("test_routing_fields.py::test_a_named_model_refuses_a_prompt_with_the_number"),
    ),
    Guard(
        "what a model always makes is not sent",
        CORE + "catalog/mapping.py",
        (("        if not item.implied:\n", "        if item:\n"),),
        _core("test_routing_fields.py::test_what_a_model_always_makes_is_honoured_and_not_sent"),
    ),
    Guard(
        "a user's text has no mark of a template that the catalogue writes",
        CORE + "catalog/mapping.py",
        ((" is Modality.TEXT or bool(_templates(model))\n", " is Modality.TEXT\n"),),
        _core("test_chat_template.py::test_a_template_of_any_model_is_kept_from_a_users_text"),
    ),
    Guard(
        "a user's text has no mark that only the model's own template has",
        CORE + "catalog/mapping.py",
        (("plain(text, own)", "plain(text)"),),
        _core("test_chat_template.py::test_a_mark_of_a_templates_own_loses_its_effect_for_its_model"),
    ),
    Guard(
        "without fallback nothing follows a model",
        CORE + "catalog/catalog.py",
        ((" or not self.routing.fallback:\n", ":\n"),),
        _core("test_routing_fields.py::test_without_fallback_no_other_model_follows"),
    ),
    Guard(
        "without fallback no successor serves",
        CORE + "catalog/choosing.py",
        (("    if not catalog.routing.fallback or", "    if"),),
        _core("test_routing_fields.py::test_without_fallback_no_other_model_follows"),
    ),
    Guard(
        "the cheapest of the default's quality honours every field",
        CORE + "catalog/choosing.py",
        (("    fit = [model for model in models if not readings.misses(model)]\n", "    fit = list(models)\n"),),
        _core("test_routing_fields.py::test_the_cheapest_of_the_defaults_quality_may_serve_in_its_place"),
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
                "    if posted is not None and not is_what_was_asked(",
                "    if posted != posted and not is_what_was_asked(",
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
        CORE + "catalog/choosing.py",
        ((" if affordable(link))\n", ")\n"),),
        _core("test_choosing.py::test_the_limit_shortens_the_chain_and_so_the_hold"),
    ),
    Guard(
        "no other plan stands in for one that is gone",
        WORKER + "quotes.py",
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
        "a setting of a default model never lifts a tier",
        CORE + "catalog/plans_file.py",
        (
            ("*usual[modality].fallback) if each in allowed), None)\n", "*usual[modality].fallback)), None)\n"),
            ("        if name not in allowed:\n", "        if name is None:\n"),
        ),
        "tests/test_default_models.py::test_a_setting_fills_in_where_a_plan_names_no_default_and_never_lifts_a_tier",
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
