"""The state diagram and the table fact x state, as Markdown.

Rules of this file:
1. An arrow is drawn where NEXT has one; its label is every fact that takes it, found by running the fact's transition.
2. A cell is the state after the transition, or `-` where the transition says nothing.
"""

from functools import cache

from dev.architecture.facts import FACTS, MEANINGS, STATES
from shared.core.lifecycle.state import NEXT, State

#: States that have ended have no column: no fact changes them.
OPEN = [name for name, generation in STATES.items() if not generation.state.ended]


@cache
def state_after(state: str, fact: str) -> str:
    """Returns the state that a fact leads to from a state; "-" if it changes nothing."""
    transition = FACTS[fact](STATES[state])
    return "-" if transition is None else transition.generation.state.value


def table() -> str:
    """Every fact and every state that has not ended."""
    rows = [f"| Fact | What happened | {' | '.join(OPEN)} |", "| --- |" + " --- |" * (len(OPEN) + 1)]
    for fact in FACTS:
        cells = " | ".join(state_after(state, fact) for state in OPEN)
        rows.append(f"| `{fact}` | {MEANINGS[fact]} | {cells} |")
    return "\n".join(rows)


def diagram() -> str:
    """Every step of NEXT, with the facts that take it."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for state, following in NEXT.items():
        if state is None:
            lines += [f"    [*] --> {after.value}" for after in State if after in following]
            continue
        if state.ended:
            lines.append(f"    {state.value} --> [*]")
        for after in (each for each in State if each in following):
            facts = _facts_between(state, after)
            lines.append(f"    {state.value} --> {after.value}" + (f": {', '.join(facts)}" if facts else ""))
    return "\n".join([*lines, "```"])


def _facts_between(before: State, after: State) -> list[str]:
    samples = [name for name, generation in STATES.items() if generation.state is before]
    return [fact for fact in FACTS if any(state_after(sample, fact) == after.value for sample in samples)]
