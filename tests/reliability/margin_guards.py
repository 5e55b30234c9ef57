"""The guards of margins and estimates. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.margin_guards`` prints it).
"""

from tests.reliability.guards import CORE, Guard, table


def _core(test: str) -> str:
    return f"tests/core/{test}"


_MARGIN = CORE + "catalog/margin.py"

MARGIN_GUARDS: tuple[Guard, ...] = (
    Guard(
        "what is below its margin is not offered",
        CORE + "catalog/catalog.py",
        (("    catalog = catalog.sold_to(plan.name)\n", ""),),
        _core("test_margin.py::test_a_model_below_its_margin_is_refused_by_name"),
    ),
    Guard(
        "nor as a plan's default",
        CORE + "catalog/catalog.py",
        (
            (
                "    if request.quality is None and default.offered and not readings.misses(default):\n",
                "    if request.quality is None and not readings.misses(default):\n",
            ),
        ),
        _core("test_margin.py::test_a_default_below_its_margin_is_replaced_and_named"),
    ),
    Guard(
        "nor as a successor",
        CORE + "catalog/catalog.py",
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
)


if __name__ == "__main__":
    print(table(MARGIN_GUARDS))  # noqa: T201  # a tool
