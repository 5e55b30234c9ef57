"""Workflows, azure.yaml, host.json and the compose file have the shape that their readers expect."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.infra.snapshots import INFRA

ROOT = INFRA.parent
HERE = Path(__file__).parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

#: The commands that pip installed beside the Python that runs the tests.
SCRIPTS = Path(sysconfig.get_path("scripts"))


def checked(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run check-jsonschema."""
    command = [sys.executable, "-m", "check_jsonschema", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def workflow(name: str) -> dict[str, Any]:
    """One workflow as data."""
    content: dict[str, Any] = YAML(typ="safe").load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return content


@pytest.mark.process
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--builtin-schema", "vendor.github-workflows", *WORKFLOWS], id="workflows"),
        pytest.param(["--builtin-schema", "custom.github-workflows-require-timeout", *WORKFLOWS], id="timeouts"),
        pytest.param(["--builtin-schema", "vendor.dependabot", ROOT / ".github" / "dependabot.yml"], id="dependabot"),
        pytest.param(
            ["--builtin-schema", "vendor.compose-spec", ROOT / "dev" / "emulators" / "compose.yaml"], id="compose"
        ),
        pytest.param(["--schemafile", HERE / "azure-yaml.schema.json", ROOT / "azure.yaml"], id="azure.yaml"),
        pytest.param(["--schemafile", HERE / "host.schema.json", ROOT / "host.json"], id="host.json"),
    ],
)
def test_has_its_shape(arguments: list[str | Path]) -> None:
    """A schema accepts the file."""
    done = checked(*arguments)
    assert done.returncode == 0, done.stdout


@pytest.mark.process
def test_another_shape_is_refused(tmp_path: Path) -> None:
    """The small schemas do refuse: a misspelt key in azure.yaml and in host.json."""
    for schema, file, right, wrong in (
        ("azure-yaml.schema.json", "azure.yaml", "remoteBuild:", "remotebuild:"),
        ("host.schema.json", "host.json", '"maxConcurrentCalls"', '"maxConcurrentcalls"'),
    ):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert right in text
        broken = tmp_path / file
        broken.write_text(text.replace(right, wrong), encoding="utf-8")
        assert checked("--schemafile", HERE / schema, broken).returncode == 1


@pytest.mark.process
def test_workflows_pass_their_audit() -> None:
    """The audit finds nothing beyond what .github/zizmor.yml accepts with its reason."""
    command = [str(SCRIPTS / "zizmor"), "--offline", "--persona", "auditor", str(ROOT / ".github")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_may_anything_by_default(file: Path) -> None:
    """Nothing at the top; each job may read the code, and only the deployment may ask for a token of Azure."""
    content = workflow(file.name)
    assert content["permissions"] == {}
    for name, job in content["jobs"].items():
        allowed = {"contents": "read"}
        if (file.name, name) == ("deploy.yml", "deploy"):
            allowed |= {"id-token": "write"}
        assert job["permissions"] == allowed


def test_every_python_is_tested() -> None:
    """Pull requests and main run the project's own test command on each Python that is supported."""
    ci = workflow("ci.yml")
    job = ci["jobs"]["test"]
    # YAML 1.2, as ruamel reads it, leaves "on" a text.
    assert {"pull_request", "push"} <= set(ci["on"])
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert "python3 -m dev test" in [step.get("run") for step in job["steps"]]


def test_templates_are_compiled_before_they_are_deployed() -> None:
    """The real compiler looks at them in CI, and the deployment waits for CI."""
    runs = " ".join(step.get("run", "") for step in workflow("ci.yml")["jobs"]["templates"]["steps"])
    assert "az bicep build" in runs
    assert "az bicep lint" in runs
    assert workflow("deploy.yml")["jobs"]["deploy"]["needs"] == "ci"


def test_the_deployment_is_looked_at() -> None:
    """After the deployment: the health door, then a canary, in this order."""
    runs = [step.get("run", "") for step in workflow("deploy.yml")["jobs"]["deploy"]["steps"]]
    order = ["azd provision --no-prompt", "azd deploy", "/api/health", "submit"]
    places = [next(place for place, run in enumerate(runs) if part in run) for part in order]
    assert places == sorted(places)
