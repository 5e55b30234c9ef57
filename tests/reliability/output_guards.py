"""The guards of outputs and inputs: clean, whole, and of the type that they claim. The form is that of guards.py."""

from tests.reliability.guards import CORE, WORKER, Guard

_DELIVERY = "tests/worker/test_delivery.py::"

OUTPUT_GUARDS: tuple[Guard, ...] = (
    Guard(
        "the stored picture is the one that was cleaned and screened",
        WORKER + "delivery.py",
        (('        file = cast("BinaryIO", clean)\n', ""), ("        received.truncate(0)\n", "")),
        _DELIVERY + "test_what_is_stored_is_what_was_screened",
    ),
    Guard(
        "the input that is sent is the one that was cleaned and screened",
        WORKER + "screening.py",
        (("        file, content = clean, clean.getvalue()\n", "        file = clean\n"),),
        _DELIVERY + "test_what_was_screened_of_an_input_is_what_a_model_gets",
    ),
    Guard(
        "an output that ended early is fetched again",
        WORKER + "delivery.py",
        (
            (
                "            if isinstance(unfit, CutShort) and _may_be_whole_yet(task, output):\n",
                "            if isinstance(unfit, CutShort) and not task:\n",
            ),
        ),
        _DELIVERY + "test_an_output_that_ended_early_is_fetched_again",
    ),
    Guard(
        "an output that ends early is waited for no longer than the others live",
        WORKER + "delivery.py",
        ((' != "data:" and task.deps.now() < ended + waits\n', ' != "data:" and ended + waits is not None\n'),),
        _DELIVERY + "test_what_ends_early_for_most_of_its_hour_is_no_result",
    ),
    Guard(
        "a black picture is a refusal where the catalogue says so",
        WORKER + "delivery.py",
        (("    if model is not None and model.black_is_refusal and await", "    if model is None and await"),),
        _DELIVERY + "test_a_black_picture_is_the_refusal_of_a_model_that_says_so_in_black",
    ),
    Guard(
        "a sound that passes unscreened has no pictures in it",
        WORKER + "delivery.py",
        (("    if modality is Modality.AUDIO and shows_pictures(", '    if modality == "image" and shows_pictures('),),
        _DELIVERY + "test_a_sound_with_pictures_in_it_is_refused",
    ),
    Guard(
        "a picture is no film, by any of its brands",
        CORE + "provider/file_types.py",
        (("        if brands & _PICTURE_BRANDS or major in _SOUND_BRANDS:", "        if major in _SOUND_BRANDS:"),),
        "tests/core/test_media.py::test_no_picture_is_a_film_or_a_sound",
    ),
)
