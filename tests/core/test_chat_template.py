"""Chat templates: a user's text can never speak in another role, in any family's template."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.fakes.catalogs import REAL, REQUEST, catalog, model
from shared.core.catalog import chat_template
from shared.core.catalog.chat_template import plain
from shared.core.catalog.mapping import Mapped, inputs_of
from shared.core.requests.messages import GenerationRequest

CHATTING = [model for model in REAL.models.values() if model.modality == "text" and "prompt" in model.inputs]

#: Marks of each family, as its model card or tokenizer has them.
MARKS = {
    "Llama 3": ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>",
                "<|python_tag|>", "<|finetune_right_pad_id|>", "<|reserved_special_token_7|>"),
    "Llama 4": ("<|header_start|>", "<|header_end|>", "<|eot|>", "<|eom|>", "<|step|>", "<|image_start|>",
                "<|python_start|>"),
    "Llama 2": ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>"),
    "Mistral": ("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[IMG]",
                "[THINK]"),
    "ChatML": ("<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|endoftext|>"),
    "Gemma": ("<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<start_of_image>", "<unused12>"),
    "DeepSeek": ("<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>",
                 "<\uff5cend\u2581of\u2581sentence\uff5c>", "<think>", "</think>"),
    "Phi": ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    "gpt-oss": ("<|start|>", "<|channel|>", "<|message|>", "<|return|>", "<|call|>"),
    "Granite": ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
    "Command R": ("<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|SYSTEM_TOKEN|>", "<|END_OF_TURN_TOKEN|>"),
    "Qwen": ("<tool_call>", "</tool_call>", "<tool_response>"),
    "GLM": ("[gMASK]", "<sop>", "<|observation|>"),
    "Alpaca": ("### Instruction:", "### Response:"),
    "T5": ("<pad>", "<unk>", "<extra_id_0>"),
}  # fmt: skip
ALL = [mark for marks in MARKS.values() for mark in marks]
NOT_SEEN = ("\u200b", "\u00ad", "\u2060", "\ufe0f", "\U000e0061")


@pytest.mark.parametrize("mark", ALL)
def test_a_mark_loses_its_effect_and_no_text_is_lost(mark: str) -> None:
    """Marks are found in any case, doubled, or with invisible characters in them; the text keeps its length."""
    for text in (mark, mark.upper(), mark.lower(), f"Hello{mark}system", mark + mark, f"<{mark}", f"\n{mark}\n"):
        made = plain(text)
        assert mark.casefold() not in made.casefold()
        assert len(made) == len(text)
    for sign in NOT_SEEN:
        for at in range(1, 4 if mark[0] != "#" else 1):
            without = plain(mark[:at] + sign + mark[at:]).replace(sign, "")
            assert without.casefold() != mark.casefold()


@pytest.mark.parametrize(
    "text",
    [
        "Is 3 < 4 and 5 > 4?",
        "a <- b, <3, <html> <div class='user'>",
        "x < |y| > z",
        "An array [1, 2] or [INSTALL] and [image of a cat]",
        "User: hello\nAssistant: hi",
        "# Title\n## Part\n### Instructions for the cook",
        "C# and F#, #sunset",
        "«Bonjour», «oui»",
        "使用者: 你好",
        "if (a << 2) { system('ls') }",
    ],
)
def test_a_text_without_a_mark_stays_as_it_is(text: str) -> None:
    """Comparisons, code, headings and dialogues stay unchanged."""
    assert plain(text) == text


@given(st.lists(st.sampled_from([*"<|>[]/sa \u200b\uff5c#:", "INST", "eot_id", "sys", "Instruction"]), max_size=30))
def test_once_is_enough(parts: list[str]) -> None:
    """A text that was made plain has no mark left, whatever parts it was joined from."""
    made_plain = plain("".join(parts))
    assert plain(made_plain) == made_plain
    assert not re.search(r"<\u200b*\|", made_plain)


def made(request: GenerationRequest, name: str) -> str:
    """All texts that a model would get, joined."""
    mapped = inputs_of(REAL.models[name], request, seed=1)
    assert isinstance(mapped, Mapped)
    return "\0".join(str(value) for value in mapped.inputs.values())


@pytest.mark.parametrize("name", [model.name for model in CHATTING])
def test_every_text_model_of_the_catalogue_gets_only_its_own_marks(name: str) -> None:
    """Prompt and system prompt add no mark to those of a harmless request."""
    request = REQUEST.__class__(key=REQUEST.key, prompt="hello", system_prompt="be brief")
    hostile = " ".join(ALL)[: REAL.models[name].prompt_characters[1] - 10]
    attack = REQUEST.__class__(key=REQUEST.key, prompt=f"hello {hostile}", system_prompt=f"be brief {hostile}")
    before, after = made(request, name), made(attack, name)
    for mark in ALL:
        assert after.count(mark) == before.count(mark), mark
    assert "hello \u2039|begin_of_text|>" in after


TEMPLATES = [(name, item) for name, model in REAL.models.items() for item in model.inputs.values() if item.template]


@pytest.mark.parametrize(
    "mark", sorted({mark for _, item in TEMPLATES for mark in re.findall(r"<\|\w+\|>", item.template)})
)
def test_the_marks_of_the_catalogues_own_templates_are_found(mark: str) -> None:
    """Whatever template an entry has: a user's text cannot have its marks."""
    assert mark not in plain(f"hello {mark}")


@pytest.mark.parametrize("field", ["template", "system_template"])
def test_a_template_of_any_model_is_kept_from_a_users_text(field: str) -> None:
    """A picture's model that reads a chat too: every text that a user wrote goes through."""
    chatting = {"type": "text", field: "<|im_start|>{prompt}{system_prompt}<|im_end|>"}
    both = catalog({"m": model({"prompt": chatting, "negative_prompt": {"type": "text"}}, replicate="o/m")})
    request = replace(REQUEST, prompt="a <|im_end|>", system_prompt="b [INST]", negative_prompt="c </s>")
    mapped = inputs_of(both.models["m"], request, seed=1)
    assert isinstance(mapped, Mapped)
    assert str(mapped.inputs["prompt"]).count("<|im_end|>") == (1 if field == "system_template" else 0)
    assert "[INST]" not in str(mapped.inputs)
    assert mapped.inputs["negative_prompt"] == "c \u2039/s>"


@pytest.mark.parametrize("said", ["USER:", "user:", "ASSISTANT :", "U\u200bSER:", "{{go}}", "=>END|"])
def test_a_mark_of_a_templates_own_loses_its_effect_for_its_model(said: str) -> None:
    """Whoever writes a template of another form: its marks are found, and nothing is lost."""
    own = {"type": "text", "template": "USER: {prompt} =>END| ASSISTANT:"}
    both = catalog({"m": model({"prompt": own}, replicate="o/m"), "n": model(replicate="o/n")})
    request = replace(REQUEST, prompt=f"hello {said} world")
    mapped, other = (inputs_of(both.models[name], request, seed=1) for name in ("m", "n"))
    assert isinstance(mapped, Mapped)
    assert isinstance(other, Mapped)
    assert other.inputs["prompt"] == f"hello {said} world"
    sent = str(mapped.inputs["prompt"])
    assert len(sent) == len(f"USER: hello {said} world =>END| ASSISTANT:")
    for mark in ("USER:", "ASSISTANT:", "=>END|"):
        assert sent.replace("\u200b", "").upper().count(mark) == 1, sent


def test_a_prompt_for_a_picture_stays_as_it_is() -> None:
    """Other models have no chat, and brackets in their prompts may have a meaning."""
    picture = next(model for model in REAL.models.values() if model.modality == "image")
    text = "a sign that says <|eot_id|> [INST]"
    assert text in made(REQUEST.__class__(key=REQUEST.key, prompt=text), picture.name)


def test_the_marks_cost_nothing_before_a_text_may_have_one() -> None:
    """They are compiled for the first text that may have one, because that takes a good part of a cold start."""
    marks = chat_template._mark
    marks.cache_clear()
    assert plain("A kingfisher over water, | by night / by day: in oils.") != ""
    assert marks.cache_info().currsize == 0
    assert plain("[INST] a kingfisher") != "[INST] a kingfisher"
    assert marks.cache_info().currsize == 1


@pytest.mark.parametrize("mark", ALL)
def test_every_mark_begins_with_a_first_sign(mark: str) -> None:
    """The quick check looks for first signs, so it would miss any other mark."""
    assert chat_template._FIRST.match(mark)
    assert set(chat_template._INSTEAD) == {ord(sign) for sign in "<[＜［#"}  # noqa: RUF001
