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


#: A column that is not there, a function that is not there, a type that does not fit, half a query.
FAULTS = {
    "column": "AppMetrics | where Nmae == 'x'",
    "function": "AppMetrics | summarize summ(Sum)",
    "type": "AppMetrics | where Sum contains 7 and Name > 3",
    "syntax": "AppMetrics | where",
    "table": "AppMetric | count",
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What the language service says of all queries and of all faults: it takes four seconds to start."""
    if not SERVICE.exists():
        pytest.skip(f"{SERVICE.name} is not installed: python3 -m dev check sets it up")
    file = tmp_path_factory.mktemp("queries") / "queries.json"
    asked = [*queries().items(), *FAULTS.items()]
    # A workbook puts the number that its reader chose in the place of a parameter.
    filled = [{"name": name, "query": re.sub(r"\{\w+\}", "0.01", query)} for name, query in asked]
    file.write_text(json.dumps(filled), encoding="utf-8")
    command = [str(PROJECT.node()), str(HERE / "kql.js"), str(file)]
    environment = os.environ | {"NODE_PATH": str(SERVICE.parents[1])}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_query_is_sound(findings: list[dict[str, str]]) -> None:
    """The service finds nothing in any of them."""
    assert not FAULTS.keys() & queries().keys()
    assert [each for each in findings if each["name"] not in FAULTS] == []


def test_a_fault_is_found(findings: list[dict[str, str]]) -> None:
    """The service finds something in each query that is wrong."""
    assert {each["name"] for each in findings} >= FAULTS.keys()
