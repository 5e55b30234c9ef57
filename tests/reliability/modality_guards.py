"""The guards of the other modalities: trainings, files, texts. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.modality_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, flow_test, table, worker_test

MODALITY_GUARDS: tuple[Guard, ...] = (
    Guard(
        "an archive is uploaded before its create can exist",
        CORE + "lifecycle/opening.py",
        (("state=State.WAITING if attempt.trains else State.SUBMITTING,", "state=State.SUBMITTING,"),),
        worker_test("test_trainings.py::test_who_dies_while_an_archive_is_handed_over_has_started_nothing"),
    ),
    Guard(
        "a create is posted again only if the provider guarantees the same prediction",
        CORE + "lifecycle/transitions.py",
        ((" or not attempt.guarantees.idempotent:\n", ":\n"),),
        core_test("test_fallback.py::test_only_an_idempotent_create_is_posted_again"),
    ),
    Guard(
        "nothing is posted again for a generation with a requested end",
        CORE + "lifecycle/transitions.py",
        (("    if generation.requested_end is not None and attempt.guarantees.cancel_after:\n", "    if False:\n"),),
        worker_test("test_second_provider.py::test_nothing_is_posted_again_for_a_generation_that_is_to_end"),
    ),
    Guard(
        "a training that was lost is never started again",
        CORE + "lifecycle/transitions.py",
        (("    again = attempt.model if attempt.guarantees.cancel_after else None\n", "    again = attempt.model\n"),),
        worker_test("test_trainings.py::test_a_training_that_was_lost_is_never_started_again"),
    ),
    Guard(
        "an extra training is canceled as a training",
        WORKER + "observing.py",
        (
            (
                "    ref = generation.attempt.ref(prediction.prediction_id)\n",
                "    ref = PredictionRef(generation.attempt.provider, prediction.prediction_id, Kind.PREDICTION)\n",
            ),
            (
                "from shared.core.keys import Key\n",
                "from shared.core.keys import Key\nfrom shared.core.provider.guarantees import Kind, PredictionRef\n",
            ),
        ),
        worker_test("test_trainings.py::test_a_training_that_was_lost_and_is_heard_of_later_is_stopped"),
    ),
    Guard(
        "one user's file is never another's",
        CORE + "requests/parsing.py",
        (
            (
                ' and not given["input_file"].startswith(f"{key.account_id}/{key.user_id}/")',
                ' and "/" not in given["input_file"]',
            ),
        ),
        core_test("test_messages_modalities.py::test_a_file_of_somebody_else_or_nowhere_is_refused"),
    ),
    Guard(
        "no path leads out of a user's folder",
        CORE + "requests/fields.py",
        (("            pattern=UPLOAD,\n", ""),),
        core_test("test_messages_modalities.py::test_whatever_is_taken_stays_in_the_folder"),
    ),
    Guard(
        "a file's size is checked before anything is held",
        WORKER + "screening.py",
        (("        if unfit is not None:\n", "        if unfit is message:\n"),),
        worker_test("test_modalities.py::test_a_file_that_cannot_be_used_is_refused_before_anything_is_held"),
    ),
    Guard(
        "a modality that no screener can check is not offered by default",
        WORKER + "screening.py",
        (("    if not all(may_be_offered(", "    if not models and all(may_be_offered("),),
        worker_test("test_modalities.py::test_what_nobody_can_look_at_is_not_offered_by_default"),
    ),
    Guard(
        "a system prompt is screened",
        WORKER + "screening.py",
        (("join(message.texts_beside(pictures))", "join([message.prompt])"),),
        flow_test("request for a text"),
    ),
    Guard(
        "every text that a user writes is screened",
        CORE + "requests/messages.py",
        (
            (
                "in WRITTEN)\n        return tuple(text for value in written",
                "in WRITTEN[:-2])\n        return tuple(text for value in written",
            ),
        ),
        worker_test("test_screened_fields.py::test_every_written_text_is_screened[trigger_word]"),
    ),
    Guard(
        "a text field that is no name counts as written by the user",
        CORE + "requests/fields.py",
        (('"trigger_word", _written(60)', '"trigger_word", _name(60)'),),
        core_test("test_request_fields.py::test_every_text_of_a_request_is_written_or_a_name"),
    ),
    Guard(
        "an error quotes no text of any field",
        CORE + "lifecycle/transitions.py",
        (("inputs.values(), generation.request.written_texts\n", "inputs.values(), ()\n"),),
        worker_test("test_fallback.py::test_an_error_quotes_no_field_that_a_user_wrote[negative_prompt]"),
    ),
    Guard(
        "no model gets a text that was not screened",
        CORE + "catalog/file.py",
        ((" and field not in WRITTEN:", " and field not in WRITTEN and not _is_ours(field):"),),
        core_test("test_catalog_file.py::test_a_text_that_is_not_screened_fills_a_choice_only"),
    ),
)


if __name__ == "__main__":
    print(table(MODALITY_GUARDS))  # noqa: T201  # it is what the command is for
