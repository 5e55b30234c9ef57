"""A draft of the catalogue's entry for a model: what its published schema says, with every guess marked.

Rules of this file:
1. A mark is open until somebody confirms or changes the value. ``marks`` of an entry has the place and the reason; a
   model with an open mark is not offered (file.py).
2. Replicate publishes neither price, tier, quality nor credits. Tier, quality and times are proposed and marked; a
   price is never proposed. Credits follow from a price (margin.py).
3. A value that was set is not marked.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.core.catalog.drafting.guessing import Meanings, meanings
from shared.core.catalog.drafting.published import Published, PublishedInput, PublishedOutput
from shared.core.catalog.reading import CatalogError
from shared.core.modality import InputKind, Modality
from shared.core.values import replace

#: How long a run is expected to take, and when it is ended at the latest, in seconds, by modality.
_TIMES: Mapping[str, tuple[int, int]] = {
    Modality.IMAGE: (10, 300),
    Modality.VIDEO: (120, 1200),
    Modality.AUDIO: (20, 600),
    Modality.TEXT: (10, 300),
    Modality.TRAINING: (1500, 14_400),
}

#: A community model may boot for minutes.
_LEAST_CANCEL_AFTER_S = 600

_EXTENSIONS: Mapping[str, str] = {
    **dict.fromkeys(("webp", "jpg", "jpeg", "png", "gif", "svg"), Modality.IMAGE),
    **dict.fromkeys(("mp4", "webm", "mov"), Modality.VIDEO),
    **dict.fromkeys(("mp3", "wav", "flac", "ogg"), Modality.AUDIO),
}

_RATIO = re.compile(r"[1-9]\d?:[1-9]\d?", re.ASCII)
_MULTIPLE = re.compile(r"multiples? of (\d{1,3})\b", re.ASCII)

#: Fields without which a price by the second, token or step has no bound.
_COUNTED = ("duration_s", "max_tokens", "training_steps")


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry as decoded TOML without its marks, the open marks by place, and the inputs that are not sent.

    A place is a field of the entry, or ``inputs.NAME``.
    """

    name: str
    table: Mapping[str, Any]
    marks: Mapping[str, str]
    left_out: Mapping[str, str]

    @property
    def entry(self) -> Mapping[str, Any]:
        """The entry with its marks, as a catalogue has it."""
        return {**self.table, "marks": dict(self.marks)} if self.marks else self.table

    def at(self, place: str) -> Any:
        """The value at a place, or None."""
        first, _, second = place.partition(".")
        value = self.table.get(first)
        return value.get(second) if second and isinstance(value, Mapping) else value

    def confirmed(self, places: Sequence[str]) -> "Draft":
        """The draft without the marks of these places. Raises CatalogError if one has no mark."""
        for place in places:
            if place not in self.marks:
                known = ", ".join(self.marks) or "none"
                raise CatalogError(f"{self.name}: {place} has no open mark; open are {known}")
        return replace(self, marks={place: why for place, why in self.marks.items() if place not in places})

    def changed(self, place: str, value: Any) -> "Draft":
        """The draft with another value at a place, which closes its mark. None removes an input or a field."""
        first, _, second = place.partition(".")
        table = dict(self.table)
        if second:
            inner = dict(table.get(first) or {})
            inner[second] = value
            value = {name: each for name, each in inner.items() if each is not None}
        table[first] = value
        table = {name: each for name, each in table.items() if each is not None}
        return replace(self, table=table, marks={each: why for each, why in self.marks.items() if each != place})


def draft(published: Published, name: str = "", modality: Modality | None = None) -> Draft:
    """A draft for a model. ``name`` is ours (default: the model's own), ``modality`` is set if it is known."""
    found = meanings(published.inputs)
    made, why_made = (modality, "") if modality is not None else _modality(published, found)
    sizing, why_size = _sizing(published.inputs)
    output, why_output = _output(published, made, found)
    expected_s, cancel_after_s, why_times = _times(published, made)
    target, why_target = _target(published)
    marks = {
        "replicate": why_target,
        "modality": why_made,
        **_usual_marks(published, made),
        "expected_s": why_times,
        "output": why_output,
        "sizing": why_size,
        **dict(_input_marks(published, found, made)),
    }
    if why_size and not published.inputs["width"].choices and published.inputs["width"].high is None:
        marks |= dict.fromkeys(("inputs.width", "inputs.height"), why_size)
    table: dict[str, Any] = {
        "replicate": target,
        "modality": made.value,
        "kind": _kind(published) if made is Modality.AUDIO else None,
        "tier": "premium",
        "quality": "standard",
        "expected_s": expected_s,
        "cancel_after_s": cancel_after_s,
        "output": output,
        "sizing": sizing,
        "prompt_characters": [1, 8000] if made is Modality.TEXT else None,
        "black_is_refusal": True if "disable_safety_checker" in published.inputs else None,
        "inputs": dict(_inputs(published, found, made, sizing)),
    }
    return _drafted(published, name, table, marks, found)


def _usual_marks(published: Published, made: Modality) -> Mapping[str, str]:
    """The marks of what no schema says."""
    return {
        "kind": "no schema says whether it makes music or speech" if made is Modality.AUDIO else "",
        "tier": "proposed: which plans include it is yours to say",
        "quality": "proposed: which class it is of is yours to say",
        "cancel_after_s": "usual for what it makes",
        "prompt_characters": "how long a prompt may be is not published" if made is Modality.TEXT else "",
        "black_is_refusal": _why_black(published, made),
    }


def _drafted(
    published: Published, name: str, table: Mapping[str, Any], marks: Mapping[str, str], found: Meanings
) -> Draft:
    """The draft without empty values and marks, and with a reason for each input that is not sent."""
    left_out = {
        key: found.left_out.get(key, "it does not fit how the entry takes a size")
        for key in published.inputs
        if key not in table["inputs"]
    }
    return Draft(
        name=name or published.name.rpartition("/")[2],
        table={key: value for key, value in table.items() if value is not None},
        marks={place: why for place, why in marks.items() if why},
        left_out=left_out,
    )


def _target(published: Published) -> tuple[str, str]:
    """The model's name at Replicate, with its version unless it is official."""
    if published.official:
        return published.name, ""
    if published.official is None:
        why = "the document does not say whether it is official; any other model needs owner/name:version"
        return (f"{published.name}:{published.version}" if published.version else published.name), why
    if not published.version:
        return published.name, "it is not official, so it needs its version, which the document does not have"
    return f"{published.name}:{published.version}", ""


def _modality(published: Published, found: Meanings) -> tuple[Modality, str]:
    """What the model makes, and why that is a guess. Empty if an example's file or the output says it."""
    if published.example in _EXTENSIONS:
        return Modality(_EXTENSIONS[published.example]), ""
    fields = {name: meaning.table for name, meaning in found.sent.items()}
    if any(table["type"] == InputKind.ARCHIVE for table in fields.values()):
        return Modality.TRAINING, "it takes a zip"
    formats = published.inputs.get("output_format")
    extensions = {_EXTENSIONS.get(str(each).lower()) for each in (formats.choices if formats else ())}
    if len(extensions) == 1 and None not in extensions:
        return Modality(next(iter(extensions)) or ""), ""
    output = published.output
    if "max_tokens" in {table.get("field", name) for name, table in fields.items()}:
        return Modality.TEXT, "" if output and output.of == "string" and not output.format else "it counts tokens"
    if output is not None and output.format != "uri" and "string" in (output.of, output.type):
        return Modality.TEXT, "its output is text, not an address"
    return _by_words(published, fields)


def _by_words(published: Published, fields: Mapping[str, Mapping[str, Any]]) -> tuple[Modality, str]:
    words = " ".join([published.name, published.description, *(each.words for each in published.inputs.values())])
    prompt = published.inputs["prompt"].description.lower() if "prompt" in published.inputs else ""
    if re.search(r"video|first_frame", words, re.IGNORECASE):
        return Modality.VIDEO, "its schema speaks of video"
    if re.search(r"\b(music|audio|speech|voice)\b", words.lower()):
        return Modality.AUDIO, "its schema speaks of sound"
    shaped = {"width", "height", "aspect_ratio", "num_outputs", "image_url"}
    if shaped & {table.get("field", name) for name, table in fields.items()} and "moderat" not in prompt:
        return Modality.IMAGE, "it takes a shape or a picture, and nothing says otherwise"
    return Modality.TEXT, "it takes nothing but text, and nothing says otherwise"


def _kind(published: Published) -> str:
    words = " ".join([published.name, published.description, *(each.words for each in published.inputs.values())])
    return "speech" if re.search(r"\b(speech|speak|voice|tts)\b", words.lower()) else "music"


def _output(published: Published, made: Modality, found: Meanings) -> tuple[str, str]:
    """The shape of the output, and why it is a guess."""
    if made is Modality.TRAINING:
        return "version", ""
    if published.output is not None:
        return _published_output(published.output, made), ""
    fields = {meaning.table.get("field", name) for name, meaning in found.sent.items()}
    if made is Modality.TEXT:
        return "chunks", "no output is published: text usually comes in parts"
    if "num_outputs" in fields:
        return "list", "no output is published: a model that makes several returns a list"
    return "single", "no output is published: a model that makes one usually returns one file"


def _published_output(output: PublishedOutput, made: Modality) -> str:
    if output.type == "array":
        return "chunks" if made is Modality.TEXT else "list"
    if output.type == "object":
        return "object"
    return "single"


def _times(published: Published, made: Modality) -> tuple[int, int, str]:
    expected_s, cancel_after_s = _TIMES[made]
    why = "usual for what it makes"
    if published.example_s:
        expected_s, why = max(1, math.ceil(published.example_s)), "its own example took as long"
    if not published.official:
        cancel_after_s = max(cancel_after_s, _LEAST_CANCEL_AFTER_S)
    return expected_s, min(86_400, max(cancel_after_s, 2 * expected_s)), why


def _why_black(published: Published, made: Modality) -> str:
    if made is not Modality.IMAGE:
        return ""
    if "disable_safety_checker" in published.inputs:
        return "it has a safety checker of its own, and such checkers usually answer with a black picture"
    return "no schema says whether its checker answers with a black picture"


def _sizing(inputs: Mapping[str, PublishedInput]) -> tuple[Any, str]:
    """How the model takes a size, and why that is a guess."""
    ratio, width, height = (inputs.get(name) for name in ("aspect_ratio", "width", "height"))
    ratios = [str(each) for each in ratio.choices] if ratio else []
    free = width is not None and height is not None and width.type == height.type == "integer"
    if free and width is not None and height is not None and (ratio is None or "custom" in ratios):
        return _free(width, height)
    if not any(_RATIO.fullmatch(each) for each in ratios):
        return None, ""
    megapixels = inputs.get("megapixels")
    if megapixels is not None and {"1", "0.25"} <= set(megapixels.choices):
        return "megapixels", ""
    return "ratio", ""


def _free(width: PublishedInput, height: PublishedInput) -> tuple[Any, str]:
    stepped = [each for each in width.choices if isinstance(each, int)]
    if len(stepped) > 1:
        step = math.gcd(*stepped)
        if stepped == list(range(stepped[0], stepped[-1] + 1, step)):
            return {"from": stepped[0], "to": stepped[-1], "step": step}, ""
    said = _MULTIPLE.search(width.description.lower())
    step = int(said[1]) if said and int(said[1]) else 64
    bounds = (width.low, width.high, height.low, height.high)
    if any(each is None for each in bounds):
        side = int(width.default) // step * step if isinstance(width.default, int) and width.default >= step else 1024
        return {"from": side, "to": side, "step": step}, "the schema has no bounds: this is its own size alone"
    low = -(-int(max(width.low or 1, height.low or 1, 64)) // step) * step
    high = int(min(width.high or 0, height.high or 0, 8192)) // step * step
    if high < low:
        return {"from": low, "to": low, "step": step}, "its bounds leave no multiple of the step"
    return {
        "from": low,
        "to": high,
        "step": step,
    }, "" if said else "the schema does not say what sides are multiples of"


def _inputs(
    published: Published, found: Meanings, made: Modality, sizing: Any
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    free = isinstance(sizing, Mapping)
    for name, each in published.inputs.items():
        if name == "megapixels" and sizing == "megapixels":
            listed = [choice for choice in each.choices if choice in ("1", "0.25")]
            yield name, {"type": "choice", "choices": listed, "default": each.default}
        if name not in found.sent or (name in ("width", "height") and not free):
            if name == "prompt_template" and made is Modality.TEXT:
                yield name, {"type": "text", "value": "{prompt}"}
            continue
        table = dict(found.sent[name].table)
        if name in ("width", "height"):
            if "choices" not in table:
                table |= {"from": sizing["from"], "to": sizing["to"]}
            if not sizing["from"] <= table.get("default", sizing["from"]) <= sizing["to"]:
                del table["default"]
        if name == "aspect_ratio" and sizing is None:
            continue
        yield name, table


def _input_marks(published: Published, found: Meanings, made: Modality) -> Iterator[tuple[str, str]]:
    for name, meaning in found.sent.items():
        each = published.inputs[name]
        if meaning.why:
            yield f"inputs.{name}", meaning.why
        elif name in _COUNTED and not each.choices and each.high is None:
            yield f"inputs.{name}", "the schema has no greatest value, and the price grows with it"
        elif name == "prompt" and made is Modality.TEXT:
            yield f"inputs.{name}", "which chat template it needs is not published; none is written"
    if made is Modality.TEXT and "prompt_template" in published.inputs:
        yield "inputs.prompt_template", "so that the model adds nothing to the prompt"
    for name, why in found.left_out.items():
        if published.inputs[name].required:
            yield f"inputs.{name}", f"the model requires it, and it is not sent: {why}"
