"""The guards of pictures: bounds, whole pixels, looks, lost messages. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.picture_guards`` prints it).
"""

from tests.reliability.guards import Guard, table

_IMAGES = "shared/adapters/media/images/"
_BROKEN = "adapters/test_picture_broken.py::"
_LOOKS = "adapters/test_picture_looks.py::"
_WARY = "worker/test_wariness.py::"


def _guard(name: str, file: str, old: str, new: str, killer: str) -> Guard:
    return Guard(name, file, ((old, new),), f"tests/{killer}")


PICTURE_GUARDS: tuple[Guard, ...] = (
    _guard(
        "what a picture may be is known before anything of it is copied",
        _IMAGES + "looking.py",
        "if why := _ANIMATION if reading.animated else bounds.refused(reading):",
        "if why := _ANIMATION if reading.animated else None:",
        _BROKEN + "test_what_is_beyond_a_bound_is_refused_by_its_header",
    ),
    _guard(
        "what is decoded is what was inspected",
        _IMAGES + "looking.py",
        "if reading is not None and (reading.width, reading.height) == (picture.width, picture.height):",
        "if reading is not None:",
        _BROKEN + "test_another_picture_than_was_inspected_is_unfit",
    ),
    _guard(
        "one heavy picture at a time",
        _IMAGES + "__init__.py",
        "heavy = 4 * picture.width * picture.height > bounds.HEAVY_BYTES",
        "heavy = False",
        "adapters/test_images.py::test_one_thread_looks_at_heavy_pictures",
    ),
    _guard(
        "a PNG is inflated to its end",
        _IMAGES + "png.py",
        "if found < most or not stream.eof:",
        "if not stream.eof:",
        _BROKEN + "test_a_whole_stream_passes_and_one_byte_less_does_not",
    ),
    _guard(
        "a JPEG goes on to its end",
        _IMAGES + "jpeg.py",
        "if not feed.done and not passed_by:",
        "if not feed.done and not feed:",
        _BROKEN + "test_a_jpeg_that_is_cut_is_found_out_whatever_stands_at_its_end",
    ),
    _guard(
        "a JPEG has its restarts",
        _IMAGES + "jpeg.py",
        "if whole and found.interval:",
        "if whole and found.interval < 0:",
        _BROKEN + "test_a_jpeg_that_is_cut_is_found_out_whatever_stands_at_its_end",
    ),
    _guard(
        "a JPEG has no more scans than one can wait for",
        _IMAGES + "jpeg.py",
        "if several and blocks * 128 * found.scans > MOST_SCANNED_BYTES:",
        "if several and blocks < 0:",
        _BROKEN + "test_a_jpeg_of_too_many_scans_is_not_decoded",
    ),
    _guard(
        "whatever a decoder raises says that the bytes are broken",
        _IMAGES + "decoding.py",
        "    except Exception as error:",
        "    except (OSError, SyntaxError, ValueError, EOFError) as error:",
        _BROKEN + "test_whatever_a_decoder_raises_is_unfit",
    ),
    _guard(
        "sixteen bits are no white sheet",
        _IMAGES + "looks.py",
        'if strip.mode == "I;16":',
        'if strip.mode == "I;16?":',
        _LOOKS + "test_sixteen_bits_of_grey_are_a_ramp_and_no_white_sheet",
    ),
    _guard(
        "the copy stands as a viewer turns it",
        _IMAGES + "looks.py",
        "turn = _TURNS.get(reading.orientation)",
        "turn = _TURNS.get(1)",
        _LOOKS + "test_the_copy_stands_as_a_viewer_turns_it",
    ),
    _guard(
        "colours of its own are applied",
        _IMAGES + "looks.py",
        "if not reading.profile or colours.is_seen(reading.profile):",
        "if not reading.profile:",
        _LOOKS + "test_a_gamma_that_hides_a_picture_shows_it",
    ),
    _guard(
        "an input that may have ended workers is not looked at",
        "shared/worker/screening.py",
        "    if deps.wary:",
        "    if not deps:",
        _WARY + "test_its_input_is_refused_unseen",
    ),
    _guard(
        "an input whose delivery died goes with the next one's refusal",
        "shared/worker/finishing.py",
        "if request is None or request.may_have_pictures:",
        'if request is not None and any(each.startswith("input:") for each in request.pictures):',
        _WARY + "test_what_a_delivery_had_stored_goes_with_the_refusal",
    ),
    _guard(
        "a picture of a message that was lost is decoded alone",
        "shared/worker/wariness.py",
        "    if not envelope.lost:",
        "    if envelope:",
        _WARY + "test_an_output_that_was_paid_is_decoded_alone",
    ),
    _guard(
        "a copy carries what its original had lost",
        "shared/worker/deferring.py",
        "        lost=envelope.lost,\n",
        "",
        _WARY + "test_a_copy_carries_what_its_original_had_lost",
    ),
)

if __name__ == "__main__":
    print(table(PICTURE_GUARDS))  # noqa: T201  # it is what the command is for
