"""The guards of an outage: pace, breakers, waits. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.outage_guards`` prints it).
"""

from tests.reliability.guards import Guard, table

_BREAKER, _PACING, _WAITING = (
    "shared/core/provider/breaker.py",
    "shared/core/provider/pacing.py",
    "shared/worker/deferring.py",
)
_GUARDED, _LISTING = (
    "shared/adapters/replicate/resilience/guarded.py",
    "shared/adapters/replicate/resilience/listing.py",
)


def _guard(name: str, file: str, old: str, new: str, killer: str) -> Guard:
    return Guard(name, file, ((old, new),), f"tests/{killer}")


OUTAGE_GUARDS: tuple[Guard, ...] = (
    _guard(
        "several failures in a row open the circuit",
        _BREAKER,
        "if self.probe_at is None and failed < self.rule.failures:",
        "if self.probe_at is None:",
        "core/test_breaker.py::test_it_opens_after_failures_in_a_row",
    ),
    _guard(
        "one probe at a time",
        _BREAKER,
        "return self.rule.pause_s if probing else 0.0",
        "return 0.0",
        "core/test_breaker.py::test_one_probe_at_a_time",
    ),
    _guard(
        "the pauses grow",
        _BREAKER,
        "self.rule.pause_s * 2 ** min(self.opened, 30)",
        "self.rule.pause_s",
        "core/test_breaker.py::test_a_probe_that_fails_opens_it_for_twice_as_long",
    ),
    _guard(
        "news of a time that is over opens nothing",
        _BREAKER,
        "        if asked_at < self.changed_at:\n            return self\n        failed = self.failed + 1\n",
        "        failed = self.failed + 1\n",
        "core/test_breaker.py::test_what_began_before_it_closed_says_nothing",
    ),
    _guard(
        "a newcomer goes behind those who wait",
        _PACING,
        "overtakes = not waited and self.last_slot_at > now",
        "overtakes = False",
        "core/test_pacing.py::test_a_newcomer_goes_behind_those_who_wait",
    ),
    _guard(
        "each who waits has a slot of its own",
        _PACING,
        "max(token_at, there.last_slot_at + 1 / per_s)",
        "token_at",
        "core/test_pacing.py::test_waiting_creates_are_retried_one_after_the_other",
    ),
    _guard(
        "a 429 lets nobody go",
        _PACING,
        "self, tokens=0.0, counted_at=until,",
        "self,",
        "core/test_pacing.py::test_a_429_lets_nobody_go_while_it_says_so",
    ),
    _guard(
        "the limit that a 429 names is kept",
        _PACING,
        "low = min(per_minute, self.per_minute)",
        "low = self.per_minute",
        "core/test_pacing.py::test_a_429_that_names_a_number_is_obeyed",
    ),
    _guard(
        "nothing is sent while the circuit of creates is open",
        _GUARDED,
        "        if (closed_s := self._creates.wait_s()) > 0:\n            return NotCreated(DeferReason.CIRCUIT_OPEN",
        "        if (closed_s := 0.0) > 0:\n            return NotCreated(DeferReason.CIRCUIT_OPEN",
        "adapters/test_replicate_guarded.py::test_after_failures_in_a_row_nobody_is_sent",
    ),
    _guard(
        "a question is asked before a create is the probe",
        _GUARDED,
        "if is_probe and (silent_s := await self._silent_s()) > 0:",
        "if is_probe and (silent_s := 0.0) > 0:",
        "adapters/test_replicate_guarded.py::test_no_create_is_a_probe_while_questions_are_not_answered",
    ),
    _guard(
        "after an outage there is no burst",
        _GUARDED,
        "self._pace.emptied(self._now())",
        "self._pace",
        "adapters/test_replicate_guarded.py::test_after_an_outage_there_is_no_burst",
    ),
    _guard(
        "outputs are fetched while the API is down",
        _GUARDED,
        "self._outputs.open(uri)",
        "self._questions.open()",
        "adapters/test_replicate_guarded_questions.py::test_the_three_fail_apart",
    ),
    _guard(
        "the list is read by one at a time",
        _LISTING,
        "            if kind in self._reading:\n",
        "            if training is None:\n",
        "adapters/test_replicate_listing.py::test_one_reads_at_a_time",
    ),
    _guard(
        "what is new is not looked for in a list that was read before",
        _LISTING,
        "self.since <= since <= self.began - _SETTLED",
        "self.since <= since",
        "adapters/test_replicate_listing.py::test_who_looks_for_something_new_reads_anew",
    ),
    _guard(
        "a list that is too long is given up before the invocation ends",
        _LISTING,
        "self._now() > began_at + READING_S or ",
        "",
        "adapters/test_replicate_listing.py::test_what_is_too_long_is_given_up_in_time",
    ),
    _guard(
        "what waits for too long is given up",
        _WAITING,
        "if wait and attempt.retry_at >= given_up_at:",
        "if wait and attempt.retry_at is None:",
        "worker/test_deferring.py::test_what_waits_for_too_long_is_given_up_though_its_copies_are_on_time",
    ),
    _guard(
        "a copy that is late behind a backlog is not missed",
        _WAITING,
        "max(generation.due_at(deps.timing), attempt.retry_at + min(wait / 2, _late_at_most(deps)))",
        "generation.due_at(deps.timing)",
        "worker/test_deferring.py::test_a_copy_that_had_to_wait_for_long_may_be_late",
    ),
    _guard(
        "a check comes while the outputs of a late create are kept",
        _WAITING,
        "min(wait / 2, _late_at_most(deps))",
        "wait / 2",
        "worker/test_deferring.py::test_what_is_created_after_hours_is_found_while_its_outputs_are_kept",
    ),
    _guard(
        "a hint that many were given is spread",
        _WAITING,
        "(hint_s or 0) * (1 + chance / 4)",
        "hint_s or 0",
        "worker/test_deferring.py::test_a_hint_that_many_were_given_is_spread",
    ),
    _guard(
        "a check is left to the timer while Replicate's circuit is open",
        "shared/worker/handler.py",
        " or _is_left_to_timer(deps, message, trouble)",
        "",
        "worker/test_deferring.py::test_a_check_is_left_to_the_timer_while_the_circuit_is_open",
    ),
)


if __name__ == "__main__":
    print(table(OUTAGE_GUARDS))  # noqa: T201  # it is what the command is for
