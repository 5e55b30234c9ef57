"""Workflows, azure.yaml, host.json and the compose file have the shape that their readers expect."""

import subprocess
import sysconfig
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import check_jsonschema  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from tests.infra.snapshots import INFRA

ROOT = INFRA.parent
HERE = Path(__file__).parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

#: The commands that pip installed beside the Python that runs the tests.
SCRIPTS = Path(sysconfig.get_path("scripts"))


def checked(*arguments: str | Path) -> Result:
    """Run the command check-jsonschema in this process: it imports for half a second and checks for a tenth."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        return CliRunner().invoke(check_jsonschema.main, [*map(str, arguments)])


@cache
def workflow(name: str) -> dict[str, Any]:
    """One workflow as data. The tests only read it."""
    content: dict[str, Any] = YAML(typ="safe").load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return content


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
    assert done.exit_code == 0, done.output


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
        assert checked("--schemafile", HERE / schema, broken).exit_code == 1


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
        if (file.name, name) == ("azure-dev.yml", "deploy"):
            allowed |= {"id-token": "write"}
        if (file.name, name) == ("azure-dev.yml", "package"):
            allowed |= {"actions": "read"}
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
    assert "dev/templates.py" in runs
    jobs = workflow("azure-dev.yml")["jobs"]
    assert (jobs["package"]["needs"], jobs["deploy"]["needs"]) == ("ci", "package")


def test_nothing_deploys_on_a_push() -> None:
    """A tag, or somebody by hand; azd finds the workflow by its name."""
    events = workflow("azure-dev.yml")["on"]
    assert set(events) == {"push", "workflow_dispatch"}
    assert events["push"] == {"tags": ["v*"]}


def deployment() -> list[str]:
    """Each step of the deployment: what it uses, or what it runs."""
    return [step.get("uses", "") + step.get("run", "") for step in workflow("azure-dev.yml")["jobs"]["deploy"]["steps"]]


def place(part: str) -> int:
    """The first step that has this in it."""
    return next(place for place, step in enumerate(deployment()) if part in step)


def test_the_deployment_is_looked_at() -> None:
    """The budget's month, preview, provision, the package that was built, the health route, a canary: in this order."""
    order = ["--budget", "--preview", "azd provision --no-prompt", "--from-package dist", "smoke.py", "submit"]
    assert [place(part) for part in order] == sorted(place(part) for part in order)


def test_each_phase_has_a_sign_in_of_its_own() -> None:
    """An assertion lives five minutes: before provisioning, deploying and the canary."""
    signs = [place for place, step in enumerate(deployment()) if step.startswith("azure/login")]
    phases = [place("--budget"), place("--from-package"), place("submit")]
    assert len(signs) == 3
    assert all(any(before < phase and phase - before <= 4 for before in signs) for phase in phases)
    canary = deployment()[place("submit")]
    for audience in ("storage.azure.com", "servicebus.azure.net", "vault.azure.net"):
        assert canary.index(audience) < canary.index("shared.cli")


def test_the_package_is_built_once_and_promoted() -> None:
    """On Azure's Python; an earlier run's is taken as it is; the stages run one after the other."""
    jobs = workflow("azure-dev.yml")["jobs"]
    steps = jobs["package"]["steps"]
    built = [step for step in steps if "package.py build" in step.get("run", "")]
    fetched = [step for step in steps if step.get("with", {}).get("run-id")]
    assert [built[0]["if"], fetched[0]["if"]] == ["inputs.run == ''", "inputs.run != ''"]
    assert not [step for step in deployment() if "package.py" in step]
    assert jobs["deploy"]["strategy"]["max-parallel"] == 1
    assert jobs["deploy"]["environment"] == "${{ matrix.stage }}"


def test_azure_installs_nothing() -> None:
    """The packages come along: Azure would choose a Python and versions of its own."""
    service = YAML(typ="safe").load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["services"]["app"]
    assert service["remoteBuild"] is False
    assert service["hooks"]["prepackage"]["posix"]["run"] == "python3 infra/package.py vendor"
