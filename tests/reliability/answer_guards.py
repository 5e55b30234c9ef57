"""The guards of what the provider answers: how little one answer proves. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.answer_guards`` prints it).
"""

from tests.reliability.guards import Guard, table

_TRANSITIONS, _CHECKING = "shared/core/lifecycle/transitions.py", "shared/worker/checking.py"
_OBSERVING, _PATIENCE, _DELIVERY = (f"shared/worker/{name}.py" for name in ("observing", "patience", "delivery"))
_STATUSES, _HTTP = (f"shared/adapters/replicate/sdk/{name}.py" for name in ("statuses", "http"))
_GUARDED, _OUTPUTS, _READING = (
    f"shared/adapters/replicate/{name}.py" for name in ("resilience/guarded", "resilience/hosts", "reading")
)
_SAYS = "worker/test_contradictions.py::"


def _guard(name: str, file: str, old: str, new: str, killer: str) -> Guard:
    return Guard(name, file, ((old, new),), f"tests/{killer}")


ANSWER_GUARDS: tuple[Guard, ...] = (
    _guard(
        "a 404 means nothing before Cancel-After",
        _TRANSITIONS,
        "    return lasts and (not attempt.guarantees.cancel_after or now >= attempt.canceled_at(timing))\n",
        "    return lasts\n",
        "core/test_generation.py::test_what_does_not_concern_it_changes_nothing",
    ),
    _guard(
        "a 404 means nothing before it has lasted",
        _TRANSITIONS,
        "    return lasts and (not attempt.guarantees.cancel_after or now",
        "    return (not attempt.guarantees.cancel_after or now",
        _SAYS + "test_a_first_404_after_cancel_after_does_not_last_yet",
    ),
    _guard(
        "what is known again has not lasted",
        _CHECKING,
        "    if attempt.missing_since is not None:\n",
        "    if attempt.missing_since is attempt:\n",
        _SAYS + "test_one_404_ends_nothing_and_cancels_nothing",
    ),
    _guard(
        "a 404 to a cancel ends nothing",
        _OBSERVING,
        "    if prediction is not None and prediction.status.finished:\n",
        "    if prediction is None or prediction.status.finished:\n"
        "        prediction = prediction or Prediction(prediction_id=attempt.prediction_id, status=Status.CANCELED)\n",
        _SAYS + "test_a_404_to_a_users_cancel_keeps_the_hold",
    ),
    _guard(
        "an extra prediction that is not known is canceled later",
        _OBSERVING,
        "    if canceled is None:\n        raise",
        "    if canceled is None:\n        return\n        raise",
        _SAYS + "test_an_extra_prediction_that_is_not_known_yet_is_canceled_later",
    ),
    _guard(
        "a training is looked for in the list too",
        _CHECKING,
        "    known = listed[0] if listed else ",
        "    known = ",
        _SAYS + "test_a_training_that_is_listed_goes_on_whatever_is_answered_for_it",
    ),
    _guard(
        "a training is canceled before nobody looks any more",
        _CHECKING,
        "if listed else await provider.cancel(attempt.ref(prediction_id))",
        "if listed else None",
        _SAYS + "test_a_training_that_a_cancel_finds_is_stopped_before_it_is_given_up",
    ),
    _guard(
        "an output that is not there is waited for",
        _DELIVERY,
        "    async with awaits, task.deps.providers",
        "    async with task.deps.providers",
        _SAYS + "test_an_output_that_comes_late_is_delivered",
    ),
    _guard(
        "what is there is delivered before it is deleted too",
        "shared/core/lifecycle/attempt.py",
        "        return self.output_life_s * 5 // 6\n",
        "        return self.output_life_s\n",
        _SAYS + "test_what_is_there_is_delivered_before_it_is_deleted_too",
    ),
    _guard(
        "the last try for an output is in time",
        _PATIENCE,
        "    pause_s = min(max(wait_s, deps.timing.check_after_s), left_s)\n",
        "    pause_s = max((deps.timing.output_wait_s - left_s) / 2, deps.timing.check_after_s)\n",
        _SAYS + "test_what_is_there_is_delivered_before_it_is_deleted_too",
    ),
    _guard(
        "a success without outputs is asked for",
        _PATIENCE,
        "    if prediction.complete and prediction.outputs:",
        "    if prediction.complete:",
        _SAYS + "test_a_success_without_outputs_is_asked_for_once",
    ),
    _guard(
        "outputs that were left out are waited for",
        _PATIENCE,
        "    promised = attempt.promised or not prediction.complete\n",
        "    promised = False\n",
        _SAYS + "test_a_success_waits_for_what_is_shown_of_it",
    ),
    _guard(
        "who comes later knows that there are outputs",
        _PATIENCE,
        "        await _record_promise(deps, loaded, generation.key, attempt.number, prediction)\n",
        "        assert prediction is not None\n",
        _SAYS + "test_a_success_waits_for_what_is_shown_of_it",
    ),
    _guard(
        "the loop sees what was closed before a create",
        _HTTP,
        "    for _ in range(_CLOSING_TURNS):\n        await asyncio.sleep(0)\n",
        "    await asyncio.sleep(0) if _CLOSING_TURNS < 0 else None\n",
        "adapters/test_replicate_kept.py::test_what_the_server_has_closed_is_not_used",
    ),
    _guard(
        "only a first write that was refused is surely not sent",
        _HTTP,
        "        isinstance(cause, aiohttp.ClientConnectionResetError) and str(cause) == _NOT_WRITTEN for",
        "        isinstance(cause, aiohttp.ClientError) for",
        "adapters/test_replicate_kept.py::test_a_create_that_was_read_is_unknown_and_made_once",
    ),
    _guard(
        "a 404 that is not Replicate's refuses no model",
        _STATUSES,
        "        405: (Meaning.REFUSED, Meaning.MISROUTED),\n",
        "        405: (Meaning.REFUSED, Meaning.REFUSED),\n",
        "adapters/test_replicate_create.py::test_an_answer_that_is_not_replicates_refuses_no_model",
    ),
    _guard(
        "a 404 that is not Replicate's is not about a prediction",
        _STATUSES,
        "        404: (Meaning.NOT_FOUND, Meaning.MISROUTED),\n",
        "        404: (Meaning.NOT_FOUND, Meaning.NOT_FOUND),\n",
        "adapters/test_replicate_reads.py::test_a_404_that_is_not_replicates_says_nothing",
    ),
    _guard(
        "several models that are denied are the operator's",
        _GUARDED,
        "            case CreateRefused(perhaps_ours=True) if self._denials.hits_several(model):\n",
        "            case CreateRefused(perhaps_ours=True) if not self._denials.hits_several(model) and False:\n",
        "adapters/test_replicate_denials.py::test_several_models_that_are_denied_are_the_operators",
    ),
    _guard(
        "bad files put nobody off",
        _OUTPUTS,
        "        except (FileTrouble, OutputUnfit):",
        "        except OutputUnfit:",
        "adapters/test_replicate_outputs.py::test_bad_files_open_no_circuit",
    ),
    _guard(
        "one entry of a list hides no other",
        _READING,
        "    except Exception as error:  # noqa: BLE001  # it is about this entry alone\n",
        "    except ArithmeticError as error:\n",
        "adapters/test_replicate_reads.py::test_a_reader_that_stumbles_loses_one_entry",
    ),
    _guard(
        "a page that is cut off is no shorter page",
        "shared/core/requests/lenient_json.py",
        "                start = token.end()\n    raise _NoJsonError\n",
        "                start = token.end()\n    return parts\n",
        "core/test_strange_json.py::test_a_page_that_is_cut_off_is_no_page",
    ),
    _guard(
        "a strange address names nothing",
        "shared/core/provider/webhook.py",
        '    except ValueError:  # such as "https://["\n',
        '    except ArithmeticError:  # such as "https://["\n',
        "worker/test_checking.py::test_a_strangers_address_in_the_list_hides_nothing",
    ),
)

if __name__ == "__main__":
    print(table(ANSWER_GUARDS))  # noqa: T201  # it is what the command is for
