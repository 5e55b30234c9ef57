"""The guards of the message handler, each with a way to take it out and the test that then fails.

Rules of this file:
1. A guard is text that is replaced in a copy of the project; text that is not found exactly once is a failure, so
   that the table cannot grow stale in silence.
2. The table in docs/reliability.md is made of this one.
"""

from dataclasses import dataclass

from dev.simulation.flows import FLOWS

CORE, WORKER, FAKES = "shared/core/", "shared/worker/", "dev/fakes/"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: what it is, the file it is in, how it is taken out, and the test that is red without it."""

    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    killer: str


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def flow_test(name: str) -> str:
    """The test id of all schedules of one flow."""
    assert name in {flow.name for flow in FLOWS}, name
    test = "test_every_schedule_of_a_flow_settles_with_every_promise_kept"
    return f"tests/reliability/test_crash_points.py::{test}[{name}]"


def core_test(test: str) -> str:
    """The id of a test of the core."""
    return f"tests/core/{test}"


def worker_test(test: str) -> str:
    """The id of a test of the worker."""
    return f"tests/worker/{test}"


_ADOPT = "    adopting = replace(attempt, prediction_id=prediction_id, retry_at=None)"
_ROW = "    await open_row(deps, message.key, expected_s, loaded.generation)"
_STALE = "tests/core/test_generation.py::test_what_does_not_concern_it_changes_nothing"

GUARDS: tuple[Guard, ...] = (
    Guard(
        "the generation's ETag",
        FAKES + "store.py",
        (('if self._etags.get(key, "") != expected:', 'if not expected and self._etags.get(key, "") != expected:'),),
        flow_test("cancel of SUBMITTING"),
    ),
    Guard(
        "a generation is inserted, never overwritten",
        FAKES + "store.py",
        (('if self._etags.get(key, "") != expected:', 'if expected and self._etags.get(key, "") != expected:'),),
        "tests/adapters/test_tables_store.py::test_a_generation_that_exists_is_not_opened_again[fake]",
    ),
    Guard(
        "the account's ETag",
        FAKES + "store.py",
        (('if account is not None and self._etags.get(account.account_id, "") != etag:', "if etag is None:"),),
        "tests/adapters/test_tables_store.py::test_a_grant_on_a_stale_account_is_a_conflict[fake]",
    ),
    Guard(
        "a hold is inserted, once",
        FAKES + "store.py",
        (
            (
                "            if self._is_posted(entry):\n",
                "            if entry.move is not Move.HOLD and self._is_posted(entry):\n",
            ),
        ),
        "tests/reliability/test_ledger_keys.py::test_the_ledger_refuses_a_second_hold",
    ),
    Guard(
        "a resolve is inserted, once",
        FAKES + "store.py",
        (
            (
                "            if self._is_posted(entry):\n",
                "            if entry.move is not Move.RESOLVE and self._is_posted(entry):\n",
            ),
        ),
        "tests/reliability/test_ledger_keys.py::test_the_ledger_refuses_a_second_resolve",
    ),
    Guard(
        "only the open attempt adopts a prediction",
        CORE + "lifecycle/transitions.py",
        (
            (
                _lines("State.WAITING) or attempt.number != number:", "        return None", _ADOPT),
                _lines("State.WAITING):", "        return None", _ADOPT),
            ),
        ),
        _STALE,
    ),
    Guard(
        "only the running attempt takes an update",
        CORE + "lifecycle/transitions.py",
        (("State.RUNNING and attempt.number == number and", "State.RUNNING and"),),
        _STALE,
    ),
    Guard(
        "an answer counts only for the try that sent it",
        CORE + "lifecycle/transitions.py",
        (("(attempt.number, attempt.posts) != (number, posts)", "attempt.number != number"),),
        _STALE,
    ),
    Guard(
        "an update counts only for the running prediction",
        CORE + "lifecycle/transitions.py",
        ((" and attempt.prediction_id == prediction_id\n", "\n"),),
        worker_test("test_observing.py::test_news_of_a_foreign_prediction_change_nothing"),
    ),
    Guard(
        "an ended generation never changes",
        CORE + "lifecycle/transitions.py",
        (
            (
                "    if generation.state.ended:\n        return None\n    why = Refusal.of(Reason.DEAD_LETTERED)\n",
                "    why = Refusal.of(Reason.DEAD_LETTERED)\n",
            ),
        ),
        worker_test("test_cancel_and_dead_letters.py::test_a_dead_letter_of_what_has_ended_changes_nothing"),
    ),
    Guard(
        "a create is lost only when its Cancel-After has passed",
        CORE + "lifecycle/transitions.py",
        ((" or now < attempt.canceled_at(timing):", ":"),),
        _STALE,
    ),
    Guard(
        "nothing is retried before its time",
        CORE + "lifecycle/transitions.py",
        ((" or attempt.retry_at is None or now < attempt.retry_at:", " or attempt.retry_at is None:"),),
        worker_test("test_requests.py::test_a_create_that_was_surely_not_made_waits_and_is_made_later"),
    ),
    Guard(
        "a user's own seed identifies no prediction",
        CORE + "lifecycle/attempt.py",
        (("return attempt.own_seed and same_model and", "return same_model and"),),
        worker_test("test_checking.py::test_a_users_seed_recognises_nothing"),
    ),
    Guard(
        "a create in SUBMITTING is searched for, and never posted again",
        WORKER + "requests.py",
        (
            (
                "    elif generation.state.ended and await",
                _lines(
                    "    elif generation.state is State.SUBMITTING:", "        await submit(deps, generation, loaded)"
                )
                + "    elif generation.state.ended and await",
            ),
        ),
        worker_test("test_requests.py::test_a_lost_answer_is_never_followed_by_a_second_create"),
    ),
    Guard(
        "a generation with a requested end is not submitted again",
        CORE + "lifecycle/transitions.py",
        (
            (
                _lines(
                    "    if generation.requested_end is not None:",
                    "        return ended_as_wished(generation, payer, generation.requested_end, now).after(waits)",
                ),
                "",
            ),
        ),
        flow_test("request that is deferred"),
    ),
    Guard(
        "a save says what has happened",
        WORKER + "saving.py",
        (
            (
                "    recorded = transition.recorded(loaded.generation, deps.now())\n",
                "    recorded = transition\n",
            ),
        ),
        flow_test("cancel of WAITING"),
    ),
    Guard(
        "one check is queued for one due time",
        WORKER + "checking.py",
        (
            (
                'envelope = Envelope(row.key.named("check", f"{row.due_at.timestamp():.0f}"))',
                'envelope = Envelope(row.key.named("check", deps.chance(), id(row), deps.new_seed()))',
            ),
        ),
        worker_test("test_checking.py::test_a_check_that_is_queued_is_not_sent_again"),
    ),
    Guard(
        "an end has one event id",
        CORE + "events/generation_event.py",
        (("return self.key.named(self.outcome)", "return self.key.named(self.outcome, id(self))"),),
        flow_test("check of ended"),
    ),
    Guard(
        "an unpaid output is deleted",
        WORKER + "finishing.py",
        (("        kept = await delete_unpaid_blobs(deps, generation)\n", "        kept = 0\n"),),
        worker_test("test_observing.py::test_a_success_after_the_refund_is_never_shown"),
    ),
    Guard(
        "an end is published even if its unpaid blobs cannot be deleted",
        WORKER + "finishing.py",
        (
            (
                "    event = event_of(generation)\n",
                "    kept = await delete_unpaid_blobs(deps, generation)\n    event = event_of(generation)\n",
            ),
        ),
        worker_test("test_cancel_and_dead_letters.py::test_an_outage_of_the_blobs_holds_back_no_event"),
    ),
    Guard(
        "an output that is refused on a second look is deleted",
        WORKER + "delivery.py",
        (("    await task.deps.outputs.discard_outputs(task.stem(index))\n", ""),),
        "tests/reliability/test_second_look.py",
    ),
    Guard(
        "the index row stands before the generation opens",
        WORKER + "admission.py",
        (
            (
                _lines(_ROW),
                "",
            ),
            (
                "    return await save(deps, message.key, decide, loaded)\n",
                _lines(
                    "    saved = await save(deps, message.key, decide, loaded)",
                    _ROW,
                    "    return saved",
                ),
            ),
        ),
        flow_test("request"),
    ),
    Guard(
        "the event is published before the index row is deleted",
        WORKER + "finishing.py",
        (
            (
                "    await deps.messenger.publish(event)\n",
                "    await deps.index.remove(key)\n    await deps.messenger.publish(event)\n",
            ),
        ),
        flow_test("cancel of WAITING"),
    ),
    Guard(
        "a row that is taken for stale is put back when it opens meanwhile",
        WORKER + "checking.py",
        (
            (
                "            await deps.index.put(row)  # it opened between the read and the removal\n",
                "            return\n",
            ),
        ),
        flow_test("check of nothing"),
    ),
    Guard(
        "a prompt that nobody screened stays refused",
        WORKER + "quotes.py",
        (
            (
                "    if isinstance(before, Refusal):\n        return before\n",
                "    before = before if isinstance(before, Quote) else None\n",
            ),
        ),
        flow_test("request over a limit, near midnight"),
    ),
    Guard(
        "an output is screened before it is stored",
        WORKER + "delivery.py",
        (
            (
                "        verdict, kept = judge(",
                _lines(
                    "        await _store(task, index, seen.picture, file)",
                    "        verdict, kept = judge(",
                )[:-1],
            ),
        ),
        flow_test("webhook"),
    ),
    Guard(
        "an image that was never screened is not sent",
        WORKER + "screening.py",
        (("    elif named.startswith(INPUT_PREFIX):\n", "    else:\n"),),
        worker_test("test_safety.py::test_an_address_that_was_never_screened_is_not_sent"),
    ),
    Guard(
        "an input that lost against a cancel is deleted",
        WORKER + "requests.py",
        (
            (
                "        await _drop_input(deps, admission.message, reserved.generation)\n",
                "        assert reserved\n",
            ),
        ),
        worker_test("test_input_canceled.py::test_an_input_that_lost_against_a_cancel_goes_at_once"),
    ),
    Guard(
        "a verdict that is not whole allows nothing",
        CORE + "safety/moderation.py",
        (("return Verdict(allowed=not silent and (whole or excused))", "return Verdict(allowed=not silent)"),),
        core_test("test_moderation.py::test_a_verdict_without_a_category_is_refused"),
    ),
    Guard(
        "no more outputs are taken than were asked for",
        WORKER + "delivery.py",
        (("    return files[: attempt.outputs]\n", "    return files\n"),),
        worker_test("test_observing.py::test_more_outputs_than_asked_are_not_taken"),
    ),
    Guard(
        "few outputs are held at a time",
        WORKER + "delivery.py",
        (("            async with deps.outputs_at_once:", "            if True:"),),
        worker_test("test_observing.py::test_few_outputs_are_held_at_a_time"),
    ),
    Guard(
        "an extra prediction is canceled",
        WORKER + "observing.py",
        (
            (
                "    canceled = await deps.providers[ref.provider].cancel(ref)\n",
                "    canceled = prediction if ref else prediction\n",
            ),
        ),
        worker_test("test_checking.py::test_of_several_the_oldest_is_adopted_and_the_others_canceled"),
    ),
    Guard(
        "a prediction of its own is not counted as extra",
        WORKER + "observing.py",
        (
            ("    waited_for = generation.state is State.SUCCEEDED or not", "    waited_for = not"),
            ("    if stops and not _is_known(generation, prediction):", "    if stops is not None:"),
        ),
        flow_test("webhook"),
    ),
    Guard(
        "content that was refused goes to no other model",
        CORE + "lifecycle/transitions.py",
        (
            (
                "        if prediction.failure not in (Failure.TRANSIENT, Failure.MODEL):\n",
                "        if prediction.failure is Failure.INPUT:\n",
            ),
        ),
        worker_test("test_fallback.py::test_content_input_credit_and_keys_never_go_to_another"),
    ),
    Guard(
        "the failure that operators read holds no prompt",
        CORE + "lifecycle/transitions.py",
        (("redacted(prediction.error, _written(generation))", "redacted(prediction.error)"),),
        worker_test("test_fallback.py::test_operators_read_the_providers_own_words_and_no_prompt"),
    ),
    Guard(
        "no measurement of a stranger's keeps a row from being written",
        "shared/adapters/replicate/wire.py",
        (('metrics = kept_metrics(data.get("metrics"), MEASURED_NAMES)', 'metrics = data.get("metrics") or {}'),),
        "tests/adapters/test_replicate_wire.py::test_measurements_of_any_size_fit_a_row",
    ),
    Guard(
        "no measurement in a message keeps a row from being written",
        CORE + "provider/prediction.py",
        (('metrics=kept_metrics(raw.get("metrics"))', 'metrics=raw.get("metrics") or {}'),),
        core_test("test_prediction.py::test_measurements_in_a_message_are_bounded"),
    ),
    Guard(
        "a create that was refused for its input goes to no other model",
        CORE + "lifecycle/transitions.py",
        (("    if refusal.reason is not Reason.UNKNOWN_MODEL:\n", "    if refusal.reason is Reason.LOST:\n"),),
        core_test("test_fallback.py::test_a_create_that_was_refused_for_anything_else_ends_it"),
    ),
    Guard(
        "the seconds of a processor are no price of a picture",
        "shared/adapters/replicate/metrics.py",
        (('    Unit.IMAGE: ("image_output_count", "image_count"),\n', '    Unit.IMAGE: ("predict_time",),\n'),),
        core_test("test_pricing.py::test_a_picture_with_a_fixed_price_costs_it_however_long_it_took"),
    ),
)


def table(guards: tuple[Guard, ...] = GUARDS) -> str:
    """The table as Markdown."""
    rows = ["| Guard | Where | The test that is red without it |", "|---|---|---|"]
    rows += [f"| {guard.name} | `{guard.file}` | `{guard.killer.removeprefix('tests/')}` |" for guard in guards]
    return "\n".join(rows)
