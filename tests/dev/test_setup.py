"""Set-up: what it decides, how it explains failures, and how it repairs an interrupted run."""

import ast
import json
import os
import re
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

from dev import node_tests, setup, setup_step
from dev.setup import PROJECT, Project
from dev.setup_step import SetupError


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in a folder of its own, before set-up."""
    made = Project(tmp_path)
    made.packages.write_text("", encoding="utf-8")
    made.azurite_package.mkdir(parents=True)
    (made.azurite_package / "package-lock.json").write_text("{}", encoding="utf-8")
    made.local.mkdir()
    return made


def _complete(project: Project) -> None:
    """Make the files of a complete set-up, all empty."""
    node = project.local / "node"
    for path in (project.python, project.azurite_script, node):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    project.stamp.write_text(json.dumps(setup._stamp(project, node)), encoding="utf-8")


def test_the_entry_point_compiles_on_old_pythons_and_looks_at_the_version_first() -> None:
    """An old Python prints a sentence instead of a syntax error."""
    source = (PROJECT.root / "dev/__main__.py").read_text(encoding="utf-8")
    body = ast.parse(source, feature_version=(3, 4)).body
    kinds = [type(node).__name__ for node in body[:4]]
    assert kinds == ["Expr", "Import", "If", "ImportFrom"]
    assert "Python 3.11 or newer is needed" in source


def test_a_complete_setup_is_ready(project: Project) -> None:
    """With the stamp of today's inputs there is nothing to do."""
    assert not setup.is_ready(project)
    _complete(project)
    assert setup.is_ready(project)
    assert project.node() == project.local / "node"


@pytest.mark.parametrize("lost", ["python", "azurite_script", "packages"])
def test_a_changed_lock_or_a_lost_part_means_setting_up_again(project: Project, lost: str) -> None:
    """Everything that the commands need is checked each time."""
    _complete(project)
    path: Path = getattr(project, lost)
    if lost == "packages":
        path.write_text("another==1.0\n", encoding="utf-8")
    else:
        path.unlink()
    assert not setup.is_ready(project)


@pytest.mark.parametrize(
    "path", ["pyproject.toml", "packages/own/pyproject.toml", "packages/own/tests/node/package-lock.json"]
)
def test_a_package_of_this_repository_that_is_new_or_changed_means_setting_up_again(
    project: Project, path: str
) -> None:
    """The stamp covers the app's commands, a package's dependencies, and what its tests run under Node."""
    _complete(project)
    file = project.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    for text in ("new", "changed"):
        file.write_text(text, encoding="utf-8")
        assert not setup.is_ready(project)
        _complete(project)
        assert setup.is_ready(project)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose set-up was killed while it made .venv, with the environment that the next set-up made there."""
    made = Project(tmp_path_factory.mktemp("installed"))
    made.local.mkdir()
    made.python.parent.mkdir(parents=True)
    (made.venv / "pyvenv.cfg").write_text("home = /nowhere\n", encoding="utf-8")
    assert setup.make_venv(made) == sys.version_info[:2]
    return made


#: A build backend that needs no package: it makes a wheel with one path, as an editable installation is.
BACKEND = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "own-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("own.pth", os.path.abspath("src"))
        wheel.writestr("own-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n")
        wheel.writestr("own-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("own-1.0.dist-info/RECORD", "")
    return name
"""


@pytest.mark.process
def test_packages_of_this_repository_are_installed_editable_without_the_registry(installed: Project) -> None:
    """Their code is used in place, so a changed line takes effect at once."""
    folder = installed.root / "packages" / "own"
    (folder / "src").mkdir(parents=True)
    (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
    build = '[build-system]\nrequires = ["not-in-any-registry"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (folder / "pyproject.toml").write_text(build, encoding="utf-8")
    setup.install_own_packages(installed)
    for version in ("1", "2"):
        (folder / "src" / "own_package.py").write_text(f"print({version})", encoding="utf-8")
        assert setup_step.output_of([str(installed.python), "-B", "-c", "import own_package"]) == f"{version}\n"


def test_without_a_setup_there_is_no_node(project: Project) -> None:
    """Asking for Node before set-up fails, and the error names the command to run."""
    with pytest.raises(SetupError, match="python3 -m dev"):
        project.node()


@pytest.mark.process
def test_half_a_virtual_environment_is_made_again(installed: Project) -> None:
    """A set-up that was killed while it made .venv does not block the next one, and what it made is kept."""
    assert setup._python_version(installed) == sys.version_info[:2]
    made_at = installed.python.lstat().st_mtime_ns
    assert setup.make_venv(installed) == sys.version_info[:2]
    assert installed.python.lstat().st_mtime_ns == made_at


def test_two_setups_run_one_after_the_other(project: Project) -> None:
    """The second waits until the first has released its lock."""
    events = []

    def second() -> None:
        with setup._alone(project):
            events.append("second")

    thread = threading.Thread(target=second)
    with setup._alone(project):
        thread.start()
        time.sleep(0.1)
        events.append("first")
    thread.join(5)
    assert events == ["first", "second"]


@pytest.mark.parametrize(
    ("version", "suits"),
    [("v20.20.2\n", True), ("v24.19.0\n", True), ("v18.20.4\n", False), ("", False), ("20", False)],
)
def test_only_a_new_enough_node_is_used(version: str, suits: bool) -> None:
    """If Node is old or missing, the one from the package registry is installed."""
    assert setup.node_suits(version) is suits


@pytest.mark.process
def test_a_venv_that_is_a_link_is_never_emptied(project: Project, tmp_path: Path) -> None:
    """The link's target may be another project's environment."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    project.venv.symlink_to(elsewhere)
    with pytest.raises(SetupError, match="is a link"):
        setup.make_venv(project)
    assert [path.name for path in elsewhere.iterdir()] == ["kept"]


def test_a_missing_venv_module_names_the_system_package() -> None:
    """Debian has a package of venv for each Python."""
    assert "apt install python3.12-venv" in setup.missing_module_text(["ensurepip"], (3, 12))


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("npm error code ENOTFOUND", "could not be reached"),
        ("ERROR: No matching distribution found for mypy==2.4.1", "could not be reached"),
        ("ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "PIP_CERT"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("something else", "full log"),
    ],
)
def test_a_failure_is_explained(output: str, advice: str, tmp_path: Path) -> None:
    """The error names the step, the likely reason, the log and the way to try again."""
    text = setup_step.explain("Python packages", 1, output, tmp_path / "setup.log")
    assert advice in text
    assert output in text
    assert "setup.log" in text
    assert "to continue from here" in text


@pytest.mark.process
def test_a_failing_step_shows_its_own_output_only(project: Project) -> None:
    """The error ends with the output of this step, without earlier lines of the log."""
    project.log.write_text("old trouble\n", encoding="utf-8")
    with pytest.raises(SetupError, match="new trouble") as caught:
        setup._run(project, "a step", [sys.executable, "-c", "print('new trouble'); raise SystemExit(3)"])
    assert "old trouble" not in str(caught.value)
    assert project.log.read_text(encoding="utf-8").startswith("old trouble")


@pytest.mark.process
def test_a_step_cannot_install_elsewhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's pip settings do not redirect it, and caches stay in the folder."""
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    names = ["PIP_TARGET", "PYTHONPATH", "PIP_USER", "PIP_CACHE_DIR", "npm_config_cache"]
    program = f"import json, os; print(json.dumps([os.environ.get(n) for n in {names!r}]))"
    setup._run(project, "a step", [sys.executable, "-c", program])
    target, path, user, *caches = json.loads(project.log.read_text(encoding="utf-8").splitlines()[-1])
    assert (target, path, user) == (None, None, "0")
    assert all(cache.startswith(str(project.local) + os.sep) for cache in caches)


def test_the_locks_pin_everything_and_name_no_registry() -> None:
    """Every package has an exact version, and no line has a registry's address."""
    lock = PROJECT.packages.read_text(encoding="utf-8")
    lines = [line for line in lock.splitlines() if line and not line.startswith("#")]
    assert all(re.match(r"^[a-z0-9.-]+==[\w.]+( ; .+)?$", line) for line in lines), "not an exact version"
    assert "://" not in lock
    pinned = {line.split("==")[0] for line in lines}
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (PROJECT.root / name).read_text(encoding="utf-8")
        wanted = set(re.findall(r"^([A-Za-z][\w.-]*)", text, re.MULTILINE))
        assert wanted <= pinned, f"{name} asks for more than is locked"
    for path in (PROJECT.azurite_package / "package-lock.json", *node_tests.locks(PROJECT.root)):
        npm = json.loads(path.read_text(encoding="utf-8"))
        packages = [package for path, package in npm["packages"].items() if path]
        assert packages
        assert all("resolved" not in package and "integrity" in package for package in packages)


@pytest.mark.process
def test_setup_needs_the_standard_library_alone(tmp_path: Path) -> None:
    """The first command on a clean clone runs on a Python without packages."""
    shutil.copytree(PROJECT.root / "dev", tmp_path / "dev", ignore=shutil.ignore_patterns("__pycache__"))
    setup_step.run(
        "help",
        [sys.executable, "-S", "-m", "dev"],
        log_path=tmp_path / "log",
        cwd=tmp_path,
        environment=setup_step.clean_environment(),
    )
    assert "usage: python3 -m dev" in (tmp_path / "log").read_text(encoding="utf-8")
