"""The guards of inputs that a request sets. The form is that of guards.py.

The table in docs/reliability.md is made of these (``python3 -m tests.reliability.settable_guards`` prints it).
"""

from tests.reliability.guards import CORE, WORKER, Guard, table


def _core(test: str) -> str:
    return f"tests/core/test_settable.py::{test}"


def _worker(test: str) -> str:
    return f"tests/worker/test_settable.py::{test}"


_SETTABLE = CORE + "catalog/settable.py"
_FILE = CORE + "catalog/settable_file.py"
_PARSING = CORE + "requests/parsing.py"
_SCREENING = WORKER + "screening.py"


def _guard(name: str, file: str, old: str, new: str, killer: str) -> Guard:
    return Guard(name, file, ((old, new),), killer)


SETTABLE_GUARDS: tuple[Guard, ...] = (
    _guard(
        "an input that the entry does not list is refused, also if the model has it",
        _SETTABLE,
        "problem = _unlisted(model, name) if item is None else item.problem(value)",
        'problem = "" if item is None else item.problem(value)',
        _core("test_a_hostile_input_is_refused_by_name_with_the_reason"),
    ),
    _guard(
        "a value keeps the bounds of its input",
        _SETTABLE,
        "problem = _unlisted(model, name) if item is None else item.problem(value)",
        'problem = _unlisted(model, name) if item is None else ""',
        _core("test_a_hostile_input_is_refused_by_name_with_the_reason"),
    ),
    _guard(
        "a text is no address",
        _SETTABLE,
        'return "a text, and no address" if addressed else ""',
        'return ""',
        _core("test_a_hostile_input_is_refused_by_name_with_the_reason"),
    ),
    _guard(
        "true is no number",
        _SETTABLE,
        "isinstance(value, types) and not isinstance(value, bool) and",
        "isinstance(value, types) and",
        _core("test_a_hostile_input_is_refused_by_name_with_the_reason"),
    ),
    _guard(
        "the hold covers what an input costs at worst",
        CORE + "catalog/catalog.py",
        "    return raised(model, request.inputs, dearer)\n",
        "    return dearer\n",
        _core("test_what_is_not_refused_is_priced_at_its_worst"),
    ),
    _guard(
        "an attempt knows what its inputs cost at the provider",
        CORE + "lifecycle/attempt.py",
        "        prices=raised_prices(model, request.inputs, model.prices),\n",
        "        prices=model.prices,\n",
        _worker("test_what_is_set_is_sent_as_it_was_set"),
    ),
    _guard(
        "a fallback lists the same inputs, of the same kinds",
        CORE + "catalog/catalog.py",
        " or not same_kinds(model, fallback, readings.request.inputs):\n",
        ":\n",
        _core("test_a_fallback_lists_the_same_inputs"),
    ),
    _guard(
        "only a named model takes inputs",
        _PARSING,
        '    if given["inputs"] and given["model"] is None:\n',
        '    if given["inputs"] and given["model"] == "":\n',
        _core("test_only_a_named_model_takes_inputs"),
    ),
    _guard(
        "the bytes of the inputs are bounded",
        _PARSING,
        'errors="surrogatepass")) > rule.total_bytes:\n',
        'errors="surrogatepass")) < 0:\n',
        _core("test_the_object_has_bounds_before_anything_else"),
    ),
    _guard(
        "the digest of a request covers its inputs",
        CORE + "requests/digest.py",
        "                content[field.name] = {name: _one_number(each) for name, each in value.items()}\n",
        "                content[field.name] = sorted(value)\n",
        _worker("test_another_value_under_the_same_id_is_another_request"),
    ),
    _guard(
        "a text of the inputs is screened",
        CORE + "requests/field_types.py",
        "        return isinstance(self.type, Inputs) or (isinstance(self.type, Text) and self.type.written)\n",
        "        return isinstance(self.type, Text) and self.type.written\n",
        _worker("test_a_text_is_screened_with_the_prompt_and_its_verdict_counts"),
    ),
    _guard(
        "what is left out of the screened text is a place, not words",
        CORE + "requests/messages.py",
        "        return tuple(text for value in written for text in _texts(value, pictures) if text)\n",
        "        own = {str(self.inputs.get(name)) for name in pictures}\n"
        "        return tuple(text for value in written for text in _texts(value, ()) if text and text not in own)\n",
        _worker("test_a_text_that_is_the_address_of_a_picture_is_no_way_past_the_screener"),
    ),
    _guard(
        "a picture of the inputs is fetched, screened and copied",
        CORE + "catalog/mapping.py",
        "    return tuple(dict.fromkeys([*ours, *set_pictures(model, request)]))\n",
        "    return tuple(dict.fromkeys(ours))\n",
        _worker("test_a_picture_is_fetched_screened_and_copied_and_the_copy_is_sent"),
    ),
    _guard(
        "the model gets the copy that was screened",
        _SCREENING,
        "        for name, kind in kinds(model).items() if model else ():\n",
        "        for name, kind in ((each.name, each.kind) for each in model.inputs.values()) if model else ():\n",
        _worker("test_a_picture_is_fetched_screened_and_copied_and_the_copy_is_sent"),
    ),
    _guard(
        "a text that equals an address is sent as it was screened",
        CORE + "requests/messages.py",
        "        for name in inputs:\n",
        "        for name in own:\n",
        _core("test_a_reference_takes_the_place_of_an_address_in_pictures_only"),
    ),
    _guard(
        "an input that loosens safety needs the policy",
        _SCREENING,
        " for name in loosening(model, message.inputs)])\n",
        " for name in loosening(model, message.inputs)][:0])\n",
        _worker("test_an_input_that_loosens_safety_needs_the_policy"),
    ),
    _guard(
        "an input that was stored for a request is deleted when it is refused",
        WORKER + "finishing.py",
        "request.may_have_pictures:\n",
        "request.pictures:\n",
        _worker("test_a_picture_that_cannot_be_used_refuses_the_request"),
    ),
    _guard(
        "an entry states the worst price of each input",
        _FILE,
        '        return reading.whole(where, raw, "price_percent", 100, _MOST_PERCENT), {}\n',
        '        return 100 if given is None else reading.whole(where, raw, "price_percent", 100, _MOST_PERCENT), {}\n',
        _core("test_an_entry_states_kind_bounds_and_price_of_each"),
    ),
    _guard(
        "no entry lists a field of ours",
        _FILE,
        "    if name in FIELD:\n",
        "    if name is FIELD:\n",
        _core("test_an_entry_states_kind_bounds_and_price_of_each"),
    ),
    _guard(
        "no entry lists a secret",
        _FILE,
        "    if holds_secret(name):\n",
        '    if holds_secret(""):\n',
        _core("test_an_entry_states_kind_bounds_and_price_of_each"),
    ),
    _guard(
        "no entry lists weights as free text",
        _FILE,
        "    if names_weights(name) and kind in",
        '    if names_weights("") and kind in',
        _core("test_an_entry_states_kind_bounds_and_price_of_each"),
    ),
    _guard(
        "an entry calls a safety switch one",
        _FILE,
        "    if changes_safety(name) and not loosens:\n",
        '    if changes_safety("") and not loosens:\n',
        _core("test_an_entry_states_kind_bounds_and_price_of_each"),
    ),
)


if __name__ == "__main__":
    print(table(SETTABLE_GUARDS))  # noqa: T201  # it is what the command is for
