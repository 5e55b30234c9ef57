"""infra/ through the compiler where there is one; the snapshots' digests everywhere."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dev import templates
from tests.infra.snapshots import ENVIRONMENTS, INFRA, one, resources, snapshots

pytestmark = pytest.mark.process  # the compiler is one


def with_compiler() -> None:
    """Skip aloud where there is no compiler."""
    if templates.compiler() is None:
        pytest.skip(templates.NO_COMPILER)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of infra/ that a test may spoil, looked at by the command."""
    made = shutil.copytree(INFRA, tmp_path / "infra")
    monkeypatch.setattr(templates, "INFRA", made)
    monkeypatch.setattr(templates, "ENVIRONMENTS", made / "environments")
    monkeypatch.setattr(templates, "STAMP", tmp_path / "local" / "templates.stamp")
    return made


def test_no_snapshot_is_stale() -> None:
    """Each was made of the templates and parameters as they are."""
    assert list(templates.stale()) == []
    assert [path.name for path in templates.snapshots()] == sorted(f"{name}.snapshot.json" for name in ENVIRONMENTS)


@pytest.mark.parametrize("file", ["main.bicep", "modules/storage.bicep", "settings.json", "workbook.json"])
def test_a_snapshot_is_stale_after_any_change(copy: Path, file: str) -> None:
    """Whatever goes into a deployment goes into the digest, of every environment."""
    with (copy / file).open("a", encoding="utf-8") as text:
        text.write("\n")
    assert len(list(templates.stale())) == len(ENVIRONMENTS)


def test_a_snapshot_is_stale_after_a_change_of_its_parameters(copy: Path) -> None:
    """And no other is."""
    with (copy / "environments" / "dev.bicepparam").open("a", encoding="utf-8") as text:
        text.write("\n")
    assert [line.split()[0] for line in templates.stale()] == ["dev.snapshot.json"]


#: A misspelt property, a wrong type, an unknown version, a missing parameter, a name that no preview knows.
FAULTS = [
    ("modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAcces: false", "BCP089"),
    ("modules/messaging.bicep", "disableLocalAuth: true", "disableLocalAuth: 'yes'", "BCP036"),
    ("modules/safety.bicep", "diagnosticSettings@2021-05-01-preview", "diagnosticSettings@2021-05-02", "BCP081"),
    ("main.bicep", "    sku: safetySku\n", "", "BCP035"),
    ("modules/roles.bicep", "guid(safety.id, appIdentity,", "guid(safety.id, appPrincipalId,", "what-if-short"),
]


def test_faults_are_found(copy: Path) -> None:
    """All at once, each by its code: the compiler takes seconds, and `dev check` has compiled the sound ones."""
    with_compiler()
    for file, right, wrong, _ in FAULTS:
        text = (copy / file).read_text(encoding="utf-8")
        assert right in text
        (copy / file).write_text(text.replace(right, wrong), encoding="utf-8")
    found = "\n".join(templates.built("main.bicep"))
    assert [code for *_, code in FAULTS if code not in found] == []


def test_a_value_that_nobody_gives_is_found(copy: Path) -> None:
    """A parameter without a default would stop the first `azd up`."""
    with_compiler()
    file = copy / "main.bicepparam"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("Variable('ALERT_EMAIL', '')", "Variable('ALERT_EMAIL')"), encoding="utf-8")
    assert "ALERT_EMAIL" in "".join(templates.built("main.bicepparam"))


def test_a_snapshot_that_is_not_true_is_found(copy: Path) -> None:
    """The compiler says what differs, whatever the digest says."""
    with_compiler()
    file = copy / "environments" / "dev.snapshot.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"F0"', '"S0"'), encoding="utf-8")
    assert list(templates.stale()) == []
    (found,) = templates.differing([file])
    assert "sku.name" in found


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The digests are looked at all the same."""
    monkeypatch.delenv("BICEP", raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    assert templates.main([]) == 0
    assert "NOT compiled" in capsys.readouterr().err


@pytest.fixture
def counted(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that finds nothing and notes each start in a file; returns that file."""
    starts = tmp_path / "starts"
    program = tmp_path / "bicep"
    program.write_text(f"#!/bin/sh\necho started >> {starts}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("BICEP", str(program))
    return starts


def runs(starts: Path, *arguments: str) -> int:
    """How many compilers a green run of the command starts."""
    starts.unlink(missing_ok=True)
    assert templates.main([*arguments]) == 0
    return len(starts.read_text(encoding="utf-8").splitlines()) if starts.exists() else 0


def test_what_has_not_changed_is_not_compiled_again(counted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only with the option, and it says so."""
    every = 3 + len(ENVIRONMENTS)
    assert runs(counted, "--if-changed") == every
    assert "nothing found" in capsys.readouterr().out
    assert runs(counted, "--if-changed") == 0
    assert "as it was when the compiler last found nothing" in capsys.readouterr().out
    assert runs(counted) == every


def test_whatever_changes_is_compiled(copy: Path, counted: Path, tmp_path: Path) -> None:
    """A file of infra/, a new one, one that has gone, the compiler."""
    assert runs(counted) > 0
    changes: dict[str, Callable[[], object]] = {
        "changed": lambda: (copy / "bicepconfig.json").write_text("{}\n", encoding="utf-8"),
        "new": lambda: (copy / "modules" / "new.txt").write_text("", encoding="utf-8"),
        "gone": (copy / "modules" / "new.txt").unlink,
        "compiler": lambda: os.utime(tmp_path / "bicep", ns=(1, 1)),
    }
    for name, change in changes.items():
        assert runs(counted, "--if-changed") == 0
        change()
        assert runs(counted, "--if-changed") > 0, name


def test_a_finding_leaves_no_stamp(copy: Path, counted: Path) -> None:
    """It is found again until it is mended."""
    (copy / "main.bicep").write_text("", encoding="utf-8")
    for _ in range(2):
        assert templates.main(["--if-changed"]) == 1
    assert not templates.STAMP.exists()


def test_every_rule_of_the_linter_is_an_error_or_has_a_reason() -> None:
    """Those that are off are named in docs/deployment.md, with the reason."""
    rules = json.loads((INFRA / "bicepconfig.json").read_text(encoding="utf-8"))["analyzers"]["core"]["rules"]
    off = {name for name, rule in rules.items() if rule["level"] != "error"}
    page = (INFRA.parent / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert off == {"use-recent-api-versions"}
    assert all(f"`{name}`" in page for name in off)
    silenced = [line for path in INFRA.rglob("*.bicep") for line in path.read_text().splitlines() if "#disable" in line]
    assert all(re.search(r"#disable-next-line [\w-]+ // .{20}", line) for line in silenced)


def test_no_parameter_is_asked_for() -> None:
    """Every parameter of main.bicep has its line in main.bicepparam, each line a default: azd asks for none of them."""
    main = (INFRA / "main.bicep").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^param (\w+) ", main, re.MULTILINE)) - {"thisMonth"}
    lines = re.findall(r"^param (\w+) = (.*)$", (INFRA / "main.bicepparam").read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name, _ in lines} == wanted
    assert [name for name, value in lines if not re.search(r"readEnvironmentVariable\('\w+', '[^']*'\)", value)] == []


def test_every_parameter_is_described_and_bounded() -> None:
    """Each says what it is; a number that a person sets has bounds."""
    for path in INFRA.rglob("*.bicep"):
        for before, name, kind in re.findall(r"((?:^@.*\n)*)^param (\w+) (\w+|\{)", path.read_text(), re.MULTILINE):
            assert "@description" in before, (path.name, name)
            assert path.name != "main.bicep" or kind != "int" or "@minValue" in before or "@allowed" in before, name


def test_the_budget_begins_where_it_began() -> None:
    """A deployment outputs the month to azd, which gives it to the next one; without one it is this month."""
    main = (INFRA / "main.bicep").read_text(encoding="utf-8")
    assert "param thisMonth string = utcNow('yyyy-MM-01')" in main
    for environment in ("staging", "prod", "closed"):
        began = one(environment, "Microsoft.Consumption/budgets").at("properties.timePeriod.startDate")
        assert began == snapshots()[environment]["outputs"]["BUDGET_START"] == "2026-11-01"
    assert not list(resources({"dev": snapshots()["dev"]}, "Microsoft.Consumption/budgets"))


def test_a_preview_knows_every_role() -> None:
    """No assignment's id hangs on what only a deployment knows; 24 of the app's and the operator's in prod."""
    ids = [each.id for each in resources({"prod": snapshots()["prod"]}, "Microsoft.Authorization/roleAssignments")]
    assert len(ids) >= 24
    assert not [each for each in ids if "[" in each]
