"""Every query of alerts and workbook through Microsoft's own KQL language service."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from dev.setup import PROJECT
from tests.infra.test_names import queries

pytestmark = pytest.mark.process  # az, azd and their like are programs

HERE = Path(__file__).parent
SERVICE = PROJECT.azurite_script.parents[3] / "@kusto" / "language-service-next"


def findings(tmp_path: Path, asked: dict[str, str]) -> list[dict[str, str]]:
    """What the language service says of queries, by their names."""
    if not SERVICE.exists():
        pytest.skip(f"{SERVICE.name} is not installed: python3 -m dev check sets it up")
    file = tmp_path / "queries.json"
    # A workbook puts the number that its reader chose in the place of a parameter.
    filled = [{"name": name, "query": re.sub(r"\{\w+\}", "0.01", query)} for name, query in asked.items()]
    file.write_text(json.dumps(filled), encoding="utf-8")
    command = [str(PROJECT.node()), str(HERE / "kql.js"), str(file)]
    environment = os.environ | {"NODE_PATH": str(SERVICE.parents[1])}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_query_is_sound(tmp_path: Path) -> None:
    """The service finds nothing in any of them."""
    assert findings(tmp_path, queries()) == []


def test_a_fault_is_found(tmp_path: Path) -> None:
    """A column that is not there, a function that is not there, a type that does not fit, half a query."""
    faults = {
        "column": "AppMetrics | where Nmae == 'x'",
        "function": "AppMetrics | summarize summ(Sum)",
        "type": "AppMetrics | where Sum contains 7 and Name > 3",
        "syntax": "AppMetrics | where",
        "table": "AppMetric | count",
    }
    assert {each["name"] for each in findings(tmp_path, faults)} == set(faults)
