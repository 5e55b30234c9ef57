"""The guards of kill switches. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.pause_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, core_test, table, worker_test

_RECENT = "shared/ports/switches.py"
_ENOUGH = "timedelta() <= age < AGAIN or (self._reading and timedelta() <= age < FRESH)"
_SWITCHES, _CREATES = CORE + "switches.py", WORKER + "creates.py"
_CORE, _TEST = core_test("test_switches.py::"), worker_test("test_pausing.py::")
_OPEN, _LATE = WORKER + "open_index.py", worker_test("test_slack.py::")

PAUSE_GUARDS: tuple[Guard, ...] = (
    Guard(
        "what is paused is not screened and holds nothing",
        WORKER + "requests.py",
        (("    if isinstance(admitted.quoted, Quote):\n        await wait", "    if False:\n        await wait"),),
        f"{_TEST}test_a_request_is_received_while_paused_without_a_hold_or_a_call",
    ),
    Guard(
        "the switches are read right before the POST",
        _CREATES,
        (("            stops = await stop_of(deps, generation)\n", "            stops = None\n"),),
        f"{_TEST}test_a_pause_during_screening_stops_the_create",
    ),
    Guard(
        "a retry is not submitted while it is paused",
        _CREATES,
        (("    stops = await stop_of(deps, waiting)\n", "    stops = None\n"),),
        f"{_TEST}test_a_retry_that_is_paused_is_one_save",
    ),
    Guard(
        "a create is not POSTed if the switches cannot be read",
        _CREATES,
        (("        except Unavailable as trouble:\n", "        except ZeroDivisionError as trouble:\n"),),
        f"{_TEST}test_a_create_is_not_posted_if_the_switches_cannot_be_read",
    ),
    Guard(
        "a pause counts against no create",
        WORKER + "checking.py",
        (("deps.timing, deps.now(), paused)", "deps.timing, deps.now())"),),
        f"{_TEST}test_a_generation_with_a_hold_keeps_it_while_paused",
    ),
    Guard(
        "a pause counts against no patience of a copy",
        WORKER + "handler.py",
        (("waited_s > deps.limits.patience_s + paused.total_seconds()", "waited_s > deps.limits.patience_s"),),
        f"{_TEST}test_a_pause_that_never_ends_gives_nothing_up_and_what_is_left_of_a_wait_still_counts",
    ),
    Guard(
        "no request is given up while its pauses cannot be read",
        WORKER + "handler.py",
        (("    except Unavailable:\n        return False\n", "    except Unavailable:\n        return True\n"),),
        f"{_TEST}test_a_request_is_not_given_up_while_its_pauses_cannot_be_read",
    ),
    Guard(
        "a pause counts against no patience of a check",
        WORKER + "checking.py",
        (("<= deps.limits.patience_s + paused.total_seconds():", "<= deps.limits.patience_s:"),),
        f"{_TEST}test_a_paused_request_whose_copy_was_lost_is_not_given_up",
    ),
    Guard(
        "no look of what is paused is dropped because an earlier one has its id",
        WORKER + "deferring.py",
        ((", attempt.posts, *_look(generation)),", ", attempt.posts),"),),
        f"{_TEST}test_each_look_of_what_is_paused_has_an_id_of_its_own",
    ),
    Guard(
        "a create of unknown outcome is not repeated while it is paused",
        WORKER + "reposting.py",
        (("    if await stop_of(deps, found_before) is not None:\n", "    if False:\n"),),
        f"{_TEST}test_an_idempotent_create_is_not_repeated_while_paused",
    ),
    Guard(
        "the switches are read right before a repeated POST",
        WORKER + "reposting.py",
        ((" and await stop_of(deps, saved.generation) is None:\n", ":\n"),),
        f"{_TEST}test_a_pause_that_comes_while_a_create_is_saved_again_stops_its_post",
    ),
    Guard(
        "what goes on says no more that it is paused",
        CORE + "lifecycle/transitions.py",
        (('attempt=again, reason=None, text="")\n    return goes_on', "attempt=again)\n    return goes_on"),),
        f"{_TEST}test_what_goes_on_says_no_more_that_it_is_paused",
    ),
    Guard(
        "switches are read again after five seconds",
        _RECENT,
        ((f"        if {_ENOUGH}:\n", f"        if self._asked_at or {_ENOUGH}:\n"),),
        f"{_TEST}test_a_pause_is_known_everywhere_after_five_seconds",
    ),
    Guard(
        "switches are too old after five seconds, though somebody reads them",
        _RECENT,
        (("(self._reading and timedelta() <= age < FRESH)", "self._reading"),),
        "tests/core/test_recent_switches.py::test_what_is_too_old_is_read_by_each_who_asks",
    ),
    Guard(
        "switches are not read for each request",
        _RECENT,
        ((f"        if {_ENOUGH}:\n", "        if False:\n"),),
        f"{_TEST}test_requests_at_once_cost_one_read_in_four_seconds",
    ),
    Guard(
        "one who asks reads the switches anew",
        _RECENT,
        (("        self._reading = True\n", ""),),
        "tests/core/test_recent_switches.py::test_one_reads_and_the_others_go_on",
    ),
    Guard(
        "a newer command for a switch counts",
        _SWITCHES,
        (("        return switches if found.order.stamp == order.stamp else None\n", "        return switches\n"),),
        f"{_TEST}test_a_command_is_applied_once_superseded_by_a_newer_one_and_refused_with_reasons",
    ),
    Guard(
        "a pause ends by itself after the longest time",
        _SWITCHES,
        (("else min(until, issued_at + most)", "else until"),),
        f"{_CORE}test_a_pause_without_a_time_or_with_a_late_one_ends_at_the_latest_then",
    ),
    Guard(
        "the app can be paused, however many accounts are",
        _SWITCHES,
        (("    return switch.order.target.scope in {PauseScope.ACCOUNT, PauseScope.USER} and", "    return"),),
        f"{_CORE}test_a_pause_of_the_app_or_of_a_model_is_never_refused",
    ),
    Guard(
        "what has ended keeps nothing from being paused",
        _SWITCHES,
        (("PauseScope.USER} and switch.running(now) is not None", "PauseScope.USER}"),),
        f"{_CORE}test_an_ended_pause_keeps_no_other_account_from_being_paused",
    ),
    Guard(
        "an ended pause that is not remembered any more counts as one of the app",
        _SWITCHES,
        (("    spans = [span for each in forgotten for span in each.spans]\n", "    spans = []\n"),),
        f"{_CORE}test_an_ended_pause_beyond_the_bound_counts_for_everybody",
    ),
    Guard(
        "overlapping pauses count once",
        _SWITCHES,
        (("max(span.since, reached), min(span.until, until)", "max(span.since, since), min(span.until, until)"),),
        f"{_CORE}test_overlapping_pauses_count_once",
    ),
    Guard(
        "an ended pause is remembered while something may wait that waited in it",
        _SWITCHES,
        (("    return now - moment - paused > remember + _SLACK", "    return now - moment > remember + _SLACK"),),
        f"{_CORE}test_an_ended_pause_counts_until_nothing_can_wait_that_waited_in_it",
    ),
    Guard(
        "two commands for switches at once are both kept",
        "dev/fakes/switches.py",
        (('        if board.etag != str(self._etag or ""):\n', "        if board.etag is None:\n"),),
        f"{_TEST}test_two_commands_at_once_are_both_kept",
    ),
    Guard(
        "what waits for long wakes nobody",
        _OPEN,
        ((" or generation.state is State.WAITING:", ":"),),
        f"{_LATE}test_what_waits_for_its_turn_is_never_late",
    ),
    Guard(
        "what runs is late after its hour",
        _OPEN,
        (("    return keeps_until(deps, attempt.submitted_at", "    return keeps_until(deps, due_at)  # "),),
        f"{_LATE}test_what_runs_unseen_is_late_after_its_hour",
    ),
    Guard(
        "a check says until when nothing is lost",
        WORKER + "checking.py",
        (("key, due_at, lost_at(deps, generation, due_at))", "key, due_at)"),),
        f"{_LATE}test_what_waits_for_its_turn_is_never_late",
    ),
    Guard(
        "a wait for a create says until when nothing is lost",
        WORKER + "deferring.py",
        (("    await move(key, due_at, keeps_until(deps, due_at))\n    env", "    await move(key, due_at)\n    env"),),
        f"{_LATE}test_what_waits_for_its_create_is_not_late_and_then_has_its_hour",
    ),
    Guard(
        "an approval that a pause has moved wakes nobody",
        WORKER + "approving.py",
        (("due_at, keeps_until(deps, due_at), waits", "due_at, waits.approval.until, waits"),),
        f"{_LATE}test_an_approval_that_a_pause_has_moved_is_not_late",
    ),
)


if __name__ == "__main__":
    print(table(PAUSE_GUARDS))  # noqa: T201  # it is what the command is for
