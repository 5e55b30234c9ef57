"""The guards of archives: what is read of them, what is screened, what the model gets. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.archive_guards`` prints it).
"""

from tests.reliability.guards import Guard, table

_ARCHIVES = "shared/adapters/media/archives/"
_CONTENTS, _WORKER = "shared/core/training/contents.py", "shared/worker/archives.py"
_READ, _LOOKED = "adapters/test_archives.py::", "worker/test_archives.py::"
_NAMED, _OWN = "core/test_training_contents.py::", "worker/test_own_versions.py::"


def _guard(name: str, file: str, old: str, new: str, killer: str) -> Guard:
    return Guard(name, file, ((old, new),), f"tests/{killer}")


_SOLD = "test_where_a_credit_has_a_price_it_is_offered_if_its_entry_leaves_the_margin"


ARCHIVE_GUARDS: tuple[Guard, ...] = (
    _guard(
        "a name in an archive stays in its folder",
        _CONTENTS,
        'if name.startswith("/") or any(part in ("", ".", "..") for part in parts):',
        'if name.startswith("/"):',
        _NAMED + "test_a_name_that_leads_out_of_its_folder_is_wrong",
    ),
    _guard(
        "two names in an archive differ for every file system",
        _CONTENTS,
        'unicodedata.normalize("NFC", entry.name).casefold()',
        "entry.name",
        _NAMED + "test_names_that_a_file_system_would_mix_up_are_duplicates",
    ),
    _guard(
        "an archive unpacks to no more than its bound",
        _CONTENTS,
        "    if total_bytes > bounds.total_bytes:\n",
        "    if not names and total_bytes:\n",
        _NAMED + "test_sizes_have_bounds_by_kind_and_together",
    ),
    _guard(
        "a gzip is unpacked no further than its bound",
        _ARCHIVES + "tars.py",
        "        if left < 0:\n",
        "        if left < -(10**12):\n",
        _READ + "test_a_tar_of_many_zeros_is_not_unpacked_whole",
    ),
    _guard(
        "a directory and the header of a file say the same",
        _ARCHIVES + "zips.py",
        "    if not (honest and named and",
        "    if not (named and",
        _READ + "test_what_a_zip_may_not_have_is_refused_by_name",
    ),
    _guard(
        "no two files of an archive share bytes",
        _ARCHIVES + "zips.py",
        "if record.at < before or member.at",
        "if member.at",
        _READ + "test_an_overlap_of_two_entries_is_refused",
    ),
    _guard(
        "a file in an archive is as long as it says",
        _ARCHIVES + "zips.py",
        "    if left or not stream.eof or",
        "    if not stream.eof or",
        _READ + "test_a_lying_size_is_found_when_the_file_is_read",
    ),
    _guard(
        "a link in a tar is no file",
        _ARCHIVES + "tars.py",
        "    elif kind not in _FILES:\n",
        "    elif not kind:\n",
        _READ + "test_what_a_tar_may_not_have_is_refused_by_name",
    ),
    _guard(
        "the header of weights accounts for every byte",
        _ARCHIVES + "weights.py",
        "        if begin != end:\n",
        "        if begin < 0:\n",
        _READ + "test_a_header_that_does_not_account_for_every_byte_is_refused",
    ),
    _guard(
        "a text beside weights is a text",
        _ARCHIVES + "opening.py",
        "            weights.check_text(entry.name, chunks)\n",
        "            pass\n",
        _READ + "test_what_is_no_weights_is_refused_by_name",
    ),
    _guard(
        "every picture of an archive is screened",
        _WORKER,
        "(batch and number == len(pictures) - 1)",
        "False",
        _LOOKED + "test_a_dirty_picture_refuses_the_training_before_anything_is_held",
    ),
    _guard(
        "the verdict on each picture of an archive counts",
        _WORKER,
        "        found.append(assessment)\n        if not evaluate(look.deps.policy, assessment, look.plan).allowed:\n"
        "            return _refused_picture",
        "        found.append(assessment)\n        if not assessment:\n            return _refused_picture",
        _LOOKED + "test_a_dirty_picture_refuses_the_training_before_anything_is_held",
    ),
    _guard(
        "a file name in an archive is screened as a text",
        _WORKER,
        "f\"{stem}\\n{captions.get(stem, '')}\"",
        "captions.get(stem, '')",
        _LOOKED + "test_a_dirty_file_name_is_refused",
    ),
    _guard(
        "a model gets the archive that was screened",
        "shared/worker/screening.py",
        "_upload_to_provider(deps, attempt, blob, deps.input_files.read_input)\n        else",
        '_upload_to_provider(deps, attempt, "ada/ada/pictures.zip", deps.uploads.read_upload)\n        else',
        _LOOKED + "test_an_archive_that_is_swapped_after_the_look_changes_nothing",
    ),
    _guard(
        "a training goes only into a destination of the account that pays for its archive",
        "shared/worker/screening.py",
        "if message.destination is not None and not await _owns(",
        "if message.destination is None and not await _owns(",
        "worker/test_destinations.py::test_a_destination_of_another_account_is_unknown",
    ),
    _guard(
        "an archive that may have ended workers is not looked at",
        _WORKER,
        "    if deps.wary:\n",
        "    if not deps:\n",
        _LOOKED + "test_what_has_ended_workers_is_not_looked_at",
    ),
    _guard(
        "a look into an archive ends before its function call is ended",
        _WORKER,
        "> _LOOK_S:",
        "> 10**9:",
        _LOOKED + "test_a_look_that_takes_too_long_is_done_again",
    ),
    _guard(
        "weights in an archive are stored only if their header says that they are some",
        "shared/worker/delivery.py",
        '            kind = await task.deps.archives.weights(file, cast("BinaryIO", spare))\n',
        '            kind = ("application/octet-stream", str(spare.closed))\n',
        "worker/test_trainings_weights.py::test_weights_that_may_run_a_program_are_not_stored",
    ),
    _guard(
        "a trained version is saved with its training's end",
        "shared/core/lifecycle/transitions.py",
        "replace(succeeded, version=version_made(done, now))",
        "replace(succeeded, version=None)",
        _OWN + "test_the_version_is_saved_with_the_end_of_its_training",
    ),
    _guard(
        "only a version of the training's own destination becomes a model",
        "shared/core/training/versions.py",
        '    return _NAME.fullmatch(name) is not None and name.partition(":")[0] == destination\n',
        "    return _NAME.fullmatch(name) is not None and bool(destination)\n",
        _OWN + "test_only_a_version_of_the_destination_becomes_a_model",
    ),
    _guard(
        "a trained version is a model of its own account alone",
        "shared/worker/versions.py",
        "    if version is None or version.name != name:\n        return deps\n"
        "    if name != request.model:\n        return replace(deps, own_version=name)\n"
        "    return replace(deps, own_version=name, catalog=with_version(deps.catalog, name, version.entry))",
        '    return replace(deps, catalog=with_version(deps.catalog, name, version.entry if version else "portrait"))',
        _OWN + "test_to_another_account_it_is_a_model_that_there_never_was",
    ),
    _guard(
        "a create on a trained version that was lost is tried again on it",
        "shared/core/lifecycle/trained.py",
        "return catalog if attempt.entry == attempt.model else",
        "return catalog if attempt.entry else",
        _OWN + "test_a_lost_create_is_tried_again_on_the_version",
    ),
    _guard(
        "a request for a model of the catalogue reads no version",
        "shared/core/training/versions.py",
        "_NAME.fullmatch(model) is None or catalog.find(model) is not None:",
        "not model:",
        _OWN + "test_its_row_is_read_with_the_others_and_only_if_it_is_named",
    ),
    _guard(
        "a model loads weights of its own account, or from a host that the policy lists",
        "shared/worker/screening.py",
        "    if unfit_weights(message, deps.own_version, deps.policy.lora_hosts):\n",
        "    if not message:\n",
        _OWN + "test_weights_of_another_account_or_host_are_refused_before_anything_is_held",
    ),
    _guard(
        "each plan sees a trained version",
        "shared/core/training/versions.py",
        "name: _model(inherits, name)}, by_plan=by_plan)",
        "name: _model(inherits, name)})",
        "worker/test_own_versions.py::" + _SOLD + "[3000-None]",
    ),
    _guard(
        "a trained version is not offered below its entry's margin",
        "shared/core/catalog/margin.py",
        "if (model.offered or model.name in inherited) and",
        "if model.offered and",
        "worker/test_own_versions.py::" + _SOLD + "[1-BELOW_MARGIN]",
    ),
    _guard(
        "a training that would be stopped before its end is refused",
        "shared/core/catalog/choosing.py",
        "    mapped = too_long(choice.model, request) or readings",
        "    mapped = readings",
        "core/test_training_fields.py::test_a_training_that_would_be_stopped_before_its_end_is_refused_with_the_number",
    ),
    _guard(
        "a trainer that is gone is not replaced unasked",
        "shared/core/catalog/choosing.py",
        "    if not catalog.routing.fallback or named.modality is Modality.TRAINING:\n",
        "    if not catalog.routing.fallback:\n",
        "core/test_training_fields.py::test_a_trainer_that_is_gone_is_refused_with_its_successor",
    ),
    _guard(
        "operators learn what a lost training may cost",
        "shared/core/lifecycle/trained.py",
        "    if not attempt.trains:\n        return happened(Step.ATTEMPT_LOST)\n",
        "    if attempt:\n        return happened(Step.ATTEMPT_LOST)\n",
        "worker/test_trainings.py::test_a_training_that_nobody_finds_ends_as_lost_and_is_stopped_if_heard_of",
    ),
    _guard(
        "nothing here is deleted of a version that Replicate keeps",
        "shared/cli/trained_versions.py",
        '        raise RefusedError(f"{found.name} was not deleted: {error}") from None\n',
        "        str(error)\n",
        "cli/test_trained_versions.py::test_a_version_that_replicate_keeps_stays_here_too",
    ),
)

if __name__ == "__main__":
    print(table(ARCHIVE_GUARDS))  # noqa: T201  # it is what the command is for
