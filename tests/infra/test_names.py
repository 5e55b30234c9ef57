"""The names that alerts and the workbook ask for are those that the code emits, and docs/operations.md has them all."""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path

import pytest

from dev.fakes.world import KEY
from dev.project_files import text_of
from shared.core.dependency import Dependency
from shared.core.lifecycle.steps import METRICS, LogStep, Step
from shared.core.metric import Metric
from shared.core.provider.prediction import DeferReason
from tests.infra.snapshots import INFRA, resources, snapshots
from tests.sources import ROOT, app, nodes

OPERATIONS = ROOT / "docs" / "operations.md"

ENUMS: dict[str, type[StrEnum]] = {each.__name__: each for each in (Metric, LogStep)}


def calls(method: str) -> Iterator[tuple[str, set[str]]]:
    """Every ``telemetry.<method>(name, ...)`` of the source: the name, and the labels or facts given with it."""
    for path in (path for path in app() if f".{method}(" in text_of(path)):
        for node in nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
                owner = node.func.value
                if getattr(owner, "attr", getattr(owner, "id", "")) == "telemetry" and node.args:
                    labels = {keyword.arg for keyword in node.keywords if keyword.arg and keyword.arg != "value"}
                    yield from ((name, labels) for name in _texts(node.args[0]))


def _texts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return _texts(node.body) + _texts(node.orelse)
    enum = ENUMS.get(getattr(node.value, "id", "")) if isinstance(node, ast.Attribute) else None
    return [enum[node.attr].value] if enum and isinstance(node, ast.Attribute) else []


def named_by_transitions() -> Iterator[tuple[str, set[str]]]:
    """Every ``happened(Step.NAME, ...)`` of the core, which is logged when it is saved."""
    core = [path for path in app() if path.is_relative_to(ROOT / "shared" / "core")]
    for path in (path for path in core if "happened(" in text_of(path)):
        for node in nodes(path):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "happened":
                assert isinstance(node.args[0], ast.Attribute)
                yield Step[node.args[0].attr].value, {keyword.arg for keyword in node.keywords if keyword.arg}


@cache
def emitted(method: str) -> dict[str, set[str]]:
    """Each name of the source with all its labels."""
    found: dict[str, set[str]] = defaultdict(set)
    named = (
        named_by_transitions()
        if method == "step"
        else [(metric.value, set(metric.labels)) for metric in METRICS.values()]
    )
    for name, labels in (*calls(method), *named):
        found[name] |= labels
    return dict(found)


def test_every_step_is_named_by_a_transition() -> None:
    """No step is listed that nothing takes."""
    assert {name for name, _ in named_by_transitions()} == set(Step)


def test_every_step_outside_a_transition_is_logged_somewhere() -> None:
    """Neither is one of these, and none has the name of a transition's: a query would find both."""
    assert {name for name, _ in calls("step")} == set(LogStep)
    assert not set(LogStep) & {step.value for step in Step}


@cache
def table(heading: str) -> dict[str, dict[str, str]]:
    """A table of the document: the rows by the name in their first column."""
    text = OPERATIONS.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2]
    lines = [line for line in text.partition("\n#")[0].splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): dict(zip(head, row, strict=True)) for row in rows}


def names_in(cell: str) -> set[str]:
    """The names between backticks."""
    return set(re.findall(r"`(\w+)`", cell))


@cache
def alerts() -> dict[str, str]:
    """Every alert on the logs, as it is deployed: its name and its query."""
    rules = resources({"prod": snapshots()["prod"]}, "Microsoft.Insights/scheduledQueryRules")
    return {rule.name: rule.at("properties.criteria")["allOf"][0]["query"] for rule in rules}


def queries() -> dict[str, str]:
    """Every query of the alerts and of the workbook, by where it is."""
    workbook = json.loads((INFRA / "workbook.json").read_text(encoding="utf-8"))
    of_workbook = {item["name"]: item["content"]["query"] for item in workbook["items"] if "query" in item["content"]}
    return alerts() | {f"workbook {name}": query for name, query in of_workbook.items()}


def test_there_are_queries() -> None:
    """The tests below look at something."""
    assert len(queries()) >= 18


def test_metrics_are_those_of_the_source() -> None:
    """Declared, counted and documented are the same metrics, each with the same labels and the same kind."""
    declared = {metric.value: (metric.measure.value, set(metric.labels)) for metric in Metric}
    documented = {name: (row["Kind"], names_in(row["Labels"])) for name, row in table("Metrics").items()}
    assert documented == declared
    assert emitted("count") == {name: labels for name, (_, labels) in declared.items()}


def test_alerts_watch_notable_metrics() -> None:
    """A local stack shows in its console what an alert asks for; all but the timer's, which comes every minute."""
    watched = {name for query in alerts().values() for name in re.findall(r'"(darkroom\.\w+)"', query)}
    assert watched - {Metric.OVERDUE} <= {metric.value for metric in Metric if metric.notable}


def test_steps_are_those_of_the_source() -> None:
    """The table of steps has every step with its facts, and no other."""
    for name, row in table("Steps").items():
        there = emitted("step").get(name, set())
        assert names_in(row["Properties"]) == there, name
    assert set(emitted("step")) == set(table("Steps"))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_look_for_steps_of_the_source(page: Path) -> None:
    """A query that a page shows names no step that the code does not emit: it would find nothing, and say nothing."""
    asked = re.findall(r'Properties\.step (?:==|in) (\([^)]*\)|"\w+")', page.read_text(encoding="utf-8"))
    assert {step for each in asked for step in re.findall(r'"(\w+)"', each)} <= set(emitted("step"))


@pytest.mark.parametrize("where", queries())
def test_queries_ask_for_known_names(where: str) -> None:
    """Every metric, step, label and fact of a query is in the tables."""
    query = queries()[where]
    metrics = set(re.findall(r'"(darkroom\.\w+)"', query))
    stepped = re.search(r'Properties\.step\) (?:== ("\w+")|in \(([^)]*)\))', query)
    steps = set(re.findall(r'"(\w+)"', stepped[0])) if stepped else set()
    assert metrics or steps
    assert metrics <= set(table("Metrics"))
    assert steps <= set(table("Steps"))
    known = {label for name in metrics for label in names_in(table("Metrics")[name]["Labels"])}
    for name in steps:
        row = table("Steps")[name]
        known |= names_in(row["Properties"]) | {"step"} | KEY.properties.keys()
    assert set(re.findall(r"Properties\.(\w+)", query)) <= known


@pytest.mark.parametrize(("label", "values"), [("why", DeferReason), ("dependency", Dependency)])
def test_queries_compare_with_values_that_there_are(label: str, values: type[StrEnum]) -> None:
    """A misspelled value would find nothing, and the alert would never be raised."""
    found = re.findall(rf'Properties\.{label}\) (?:==|in) (\([^)]*\)|"[^"]*")', "\n".join(queries().values()))
    asked = {value for each in found for value in re.findall(r'"([^"]+)"', each)}
    assert asked
    assert asked <= {each.value for each in values}


def test_every_alert_is_explained() -> None:
    """Each alert has a section of its own: what it means, what to look at, what to do."""
    rules = set(alerts())
    assert len(rules) == 17
    text = OPERATIONS.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (darkroom[\w-]*)[^\n]*\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == rules | {"darkroom-dead-letters-wait", "darkroom-dead-letters-stay", "darkroom-budget"}
    for name, section in sections.items():
        assert all(part in section for part in ("**Means.**", "**Look at.**", "**Do.**")), name


def test_the_workbook_is_filled_in() -> None:
    """Nothing is left of its two places for resource ids: the deployed one has the ids."""
    text = (INFRA / "workbook.json").read_text(encoding="utf-8")
    assert set(re.findall(r"\{([A-Z]+)\}", text)) == {"WORKSPACE", "NAMESPACE"}
    (made,) = resources({"prod": snapshots()["prod"]}, "Microsoft.Insights/workbooks")
    data = made.at("properties.serializedData")
    assert not re.search(r"\{[A-Z]+\}", data)
    assert "/workspaces/log-" in data
    assert "/namespaces/sb-" in data
