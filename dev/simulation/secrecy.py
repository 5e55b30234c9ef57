"""What no step, no count and no archive may say: prompts, texts of models, secrets, addresses."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dev.fakes.provider import SIGNING_SECRET
from dev.fakes.world import World
from dev.simulation.promise import require
from shared.core.lifecycle.generation import Generation
from shared.core.lifecycle.steps import LogStep


def nothing_secret(world: World) -> None:
    """No prompt, secret or address in steps, counts, or the archive's metadata."""
    secrets = _secrets(world)
    _no_leak(secrets, world.telemetry.steps, world.telemetry.counts)
    for dead in world.blobs.dead_letters.values():
        _no_secret(secrets, dead.metadata.values())


@dataclass(frozen=True, slots=True)
class Unspoken:
    """What may not have been said when nothing is left to do: secrets, and that an adopted prediction is an extra."""

    secrets: frozenset[str]
    adopted: frozenset[str]


def unspoken(world: World, adopted: Collection[str]) -> Unspoken:
    """What may not have been said in this world, at rest."""
    return Unspoken(_secrets(world), frozenset(adopted))


#: A step or a count: its name, and what it is about.
_Lines = Iterable[tuple[str, object, Mapping[str, object]]]


def said_well(what: Unspoken, steps: _Lines, counts: _Lines) -> None:
    """What was said, at any time until rest, says nothing of this."""
    steps = list(steps)
    counted = {str(facts["prediction"]) for name, _, facts in steps if name == LogStep.EXTRA_PREDICTION}
    wrong = counted & what.adopted
    require(not wrong, "what is counted as extra was no attempt's own", wrong)
    _no_leak(what.secrets, steps, counts)


def _secrets(world: World) -> frozenset[str]:
    secrets = {SIGNING_SECRET, "https://", "http://"}
    for generation in world.store.saved_generations.values():
        request = generation.request
        if request is not None:
            secrets |= set(request.written_texts)
        if isinstance(generation, Generation):
            secrets |= {output.text for output in generation.outputs if output.text}
    return frozenset(secrets)


def _no_leak(secrets: frozenset[str], steps: _Lines, counts: _Lines) -> None:
    lines = (*steps, *counts)
    _no_secret(secrets, [text for name, _, facts in lines for text in (name, *map(str, facts.values()))])


def _no_secret(secrets: frozenset[str], texts: Collection[str]) -> None:
    joined = "\0".join(texts)  # what is in none of all is in no one
    suspects = [secret for secret in secrets if secret in joined]
    for text in texts if suspects else ():
        require(not any(secret in text for secret in suspects), "nothing secret leaves", text)
