"""The guards of margins and estimates. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.margin_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, table


def _core(test: str) -> str:
    return f"tests/core/{test}"


_BILL = CORE + "money/reconciling.py"
_MARGIN = CORE + "catalog/margin.py"
_QUOTING = CORE + "catalog/quoting.py"

MARGIN_GUARDS: tuple[Guard, ...] = (
    Guard(
        "what is below its margin is not offered",
        CORE + "catalog/choosing.py",
        (("    catalog = catalog.sold_to(plan.name)\n", ""),),
        _core("test_margin.py::test_a_model_below_its_margin_is_refused_by_name"),
    ),
    Guard(
        "nor as a plan's default",
        CORE + "catalog/choosing.py",
        (
            (
                "    if default.kind == kind and default.offered and not readings.misses(default):\n",
                "    if default.kind == kind and not readings.misses(default):\n",
            ),
        ),
        _core("test_margin.py::test_a_default_below_its_margin_is_replaced_and_named"),
    ),
    Guard(
        "nor as a successor",
        CORE + "catalog/choosing.py",
        (("    if not successor_of.offered:\n", "    if not successor_of:\n"),),
        _core("test_margin.py::test_no_fallback_and_no_successor_is_below_its_margin"),
    ),
    Guard(
        "a margin is compared without rounding",
        _MARGIN,
        (
            (
                "return self.sold_usd_micros * (100 - self.least_percent) >= self.cost_usd_micros * 100",
                "return self.percent >= self.least_percent - 1",
            ),
        ),
        _core("test_margin.py::test_the_least_margin_is_that_of_the_model_or_the_plan"),
    ),
    Guard(
        "a machine without a known run runs until it is canceled",
        _MARGIN,
        (("Fraction(model.run_s or model.cancel_after_s)", "Fraction(model.run_s)"),),
        _core("test_margin.py::test_the_worst_cost_is_that_of_what_the_credits_count"),
    ),
    Guard(
        "a loss is allowed only for a reason",
        CORE + "catalog/file.py",
        (
            (
                "    if model.allow_loss != bool(model.loss_reason):\n",
                "    if model.loss_reason and not model.allow_loss:\n",
            ),
        ),
        _core("test_margin.py::test_a_loss_needs_its_reason"),
    ),
    Guard(
        "a model that may lose money raises no alert",
        WORKER + "finishing.py",
        (("not credit or (model and model.allow_loss)", "not credit"),),
        "tests/worker/test_margins.py::test_the_record_of_an_end_says_what_it_was_sold_for",
    ),
    Guard(
        "what was refunded was not sold",
        CORE + "money/earnings.py",
        (("used.captured_credits - used.refunded_credits", "used.captured_credits"),),
        _core("test_earnings.py::test_refunded_credits_brought_nothing"),
    ),
    Guard(
        "what was not measured is not known",
        _QUOTING,
        (("            return Spread()\n", "            return Spread(0, self.model.expected_s)\n"),),
        _core("test_quoting.py::test_what_a_machine_or_tokens_cost_is_unknown_until_it_was_measured"),
    ),
    Guard(
        "what was sold at another price is not measured",
        _QUOTING,
        ((" or not units or rest or used.took_s is None", " or not units or used.took_s is None"),),
        _core("test_quoting.py::test_what_says_nothing_of_the_model_is_not_measured"),
    ),
    Guard(
        "a measured training is scaled by its steps",
        _QUOTING,
        (("math.ceil(used.took_s / units) if trains else used.took_s", "used.took_s"),),
        _core("test_quoting.py::test_a_measured_training_is_scaled_by_its_steps"),
    ),
    Guard(
        "a bill has a longest line",
        _BILL,
        (("        if len(line) > MOST_LINE:\n", "        if not line:\n"),),
        _core("test_reconciling.py::test_a_bill_beyond_a_bound_is_refused"),
    ),
    Guard(
        "a bill ends",
        _BILL,
        (("        if number > MOST_LINES:\n", "        if number < 1:\n"),),
        _core("test_reconciling.py::test_a_bill_of_too_many_lines_is_refused"),
    ),
    Guard(
        "no line of a bill is skipped",
        _BILL,
        (
            (
                "            if len(row) != len(heads):\n",
                "            if len(row) < 2:\n                continue\n            if not row:\n",
            ),
        ),
        _core("test_reconciling.py::test_a_bill_beyond_a_bound_is_refused"),
    ),
    Guard(
        "an amount is a plain number",
        _BILL,
        (("    found = _AMOUNT.fullmatch(text.strip())\n", '    found = re.fullmatch(r"(-?)(.*)", text.strip())\n'),),
        _core("test_reconciling.py::test_an_amount_that_is_no_number_is_refused"),
    ),
    Guard(
        "a name is no formula",
        _BILL,
        (("    if name[0] in _FORMULA:\n", "    if not name:\n"),),
        _core("test_reconciling.py::test_a_name_that_is_a_formula_or_steers_a_terminal_is_refused"),
    ),
    Guard(
        "a bill has a largest size",
        "shared/cli/usage_reconcile.py",
        (("        if path.stat().st_size > MOST_BYTES:\n", "        if not path.stat().st_size:\n"),),
        "tests/cli/test_usage_money.py::test_a_huge_bill_is_refused_unread",
    ),
)


if __name__ == "__main__":
    print(table(MARGIN_GUARDS))  # noqa: T201  # a tool
