"""The rules of the project that no linter checks."""

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import function_app
from dev.commands import COMMANDS
from dev.host.settings import read
from dev.project_files import text_of
from shared.config.settings import HOST_NAMES, NAMES, Settings
from shared.core.events.command_event import CommandReason
from shared.core.reasons import Reason
from tests.sources import ROOT, files, functions, name_of, nodes, python

ITSELF = Path(__file__).resolve()

#: A file or a function that is longer does not fit a reader's head.
FILE_LINES, FUNCTION_LINES = 400, 40

#: A class that is longer does two things. Of ten functions in shared/ nine are no longer than this.
CLASS_LINES, MOST_FUNCTIONS_LINES = 250, 18

#: Where functions and classes are measured. In tests/ a table of cases may be longer, and nothing else needs it.
MEASURED = ("function_app.py", "shared", "dev", "packages", "infra")

#: What the core may import beside itself: nothing that reads a clock, a file, a socket, chance or the environment.
PURE = {
    "base64",
    "binascii",
    "bisect",
    "collections",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "hmac",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "struct",
    "tomllib",
    "types",
    "typing",
    "unicodedata",
    "urllib",
    "zoneinfo",
}

#: Names in capitals that the documents may speak of though they are no settings of the app.
OUTSIDERS = {
    "ALL_PROXY",
    "AZURE_LOCATION",
    "AZURE_SUBSCRIPTION_ID",
    "HOST_PORT",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "NO_PROXY",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "REPLICATE_BASE_URL",
    "REPLICATE_CLIENTS",
    "REPLICATE_CONTRACTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "WEBSITE_HOSTNAME",
}

#: What the platform itself, or its Service Bus and Storage extensions, read.
PLATFORM = re.compile(r"APPLICATIONINSIGHTS_\w+|PYTHON_\w+|AzureWebJobsStorage__\w+|ServiceBus__\w+")


def test_the_walk_finds_the_project() -> None:
    """Without files every rule below would pass."""
    found = {name_of(path) for path in files()}
    assert {"function_app.py", "host.json", "shared/worker/saving.py", "dev/stack.py", "README.md"} <= found
    assert not [name for name in found if name.startswith((".venv", ".local"))]


def test_no_file_is_too_long() -> None:
    """A Python file has at most 400 lines."""
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files() if path.suffix == ".py"
    }
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    """A function outside of tests/ has at most 40 lines, its docstring included."""
    too_long = {
        f"{name_of(path)}:{function.name}": lines
        for path in python(*MEASURED)
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    }
    assert too_long == {}


def test_most_functions_are_short() -> None:
    """The limit is for the 90th percentile in shared/, so single functions may be longer."""
    lengths = sorted(
        (function.end_lineno or 0) - function.lineno + 1 for path in python("shared") for function in functions(path)
    )
    assert len(lengths) > 1000
    assert lengths[len(lengths) * 9 // 10] <= MOST_FUNCTIONS_LINES


def test_no_class_is_too_long() -> None:
    """A class outside of tests/ has at most 250 lines, its docstrings included."""
    too_long = {
        f"{name_of(path)}:{node.name}": lines
        for path in python(*MEASURED)
        for node in nodes(path)
        if isinstance(node, ast.ClassDef) and (lines := (node.end_lineno or 0) - node.lineno + 1) > CLASS_LINES
    }
    assert too_long == {}


def test_no_module_lies_loose() -> None:
    """Every module of shared/ is in one of its folders, so an import contract covers it."""
    loose = [path.name for path in python("shared") if path.parent == ROOT / "shared"]
    assert loose == ["__init__.py"]


def test_the_core_is_pure() -> None:
    """It imports only itself and modules without access to the outside world."""
    impure = set()
    for path in (path for path in python("shared") if "core" in path.relative_to(ROOT).parts):
        for node in nodes(path):
            match node:
                case ast.Import():
                    modules = [alias.name for alias in node.names]
                case ast.ImportFrom():
                    modules = [node.module or "."]
                case _:
                    continue
            impure |= {
                f"{name_of(path)}: {module}"
                for module in modules
                if not module.startswith("shared.core") and module.partition(".")[0] not in PURE
            }
    assert impure == set()
    assert sys.stdlib_module_names >= PURE


def test_every_test_says_what_it_is_about() -> None:
    """The linter wants a docstring of each function (D102, D103), and nothing excuses a test."""
    lint = tomllib.loads(text_of(ROOT / "pyproject.toml"))["tool"]["ruff"]["lint"]
    excused = {code for codes in (lint["ignore"], *lint["per-file-ignores"].values()) for code in codes}
    assert lint["select"] == ["ALL"]
    assert not excused & {"ALL", "D", "D1", "D10", "D102", "D103"}
    silenced = re.compile(r"#.*noqa(?!:)|#.*noqa:.*\bD10?[23]?\b")
    tests = [path for path in python("tests", "packages") if path != ITSELF]
    assert [name_of(path) for path in tests if silenced.search(text_of(path))] == []


def test_nothing_is_left_for_later() -> None:
    """Open work is in an issue, not in a comment."""
    later = re.compile(r"\b(TODO|FIXME|HACK)\b")
    found = [
        f"{name_of(path)}:{number}"
        for path in files()
        if path != ITSELF and path.name != "pyproject.toml"
        if any(word in text_of(path) for word in ("TODO", "FIXME", "HACK"))
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if later.search(line)
    ]
    assert found == []


def test_nobodys_machine_is_in_a_file() -> None:
    """No file names a home folder or a package registry."""
    machine = re.compile(
        r"(?<![\w.])/(?:root|home|Users)/\w+|[A-Z]:\\Users|registry\.npmjs\.|pypi\.org|pythonhosted|(?:--|extra-)index-url"
    )
    parts = ("/root/", "/home/", "/Users/", ":\\Users", "npmjs", "pypi", "pythonhosted", "index-url")
    found = [
        f"{name_of(path)}:{number}: {match[0]}"
        for path in files()
        if path != ITSELF
        if any(part in text_of(path) for part in parts)
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if (match := machine.search(line))
    ]
    assert found == []


def documents() -> list[Path]:
    """The pages of documentation."""
    return [path for path in files() if path.suffix == ".md"]


def test_every_command_that_a_page_names_exists() -> None:
    """Each `python3 -m dev NAME` is a command with its module."""
    named = {name for path in documents() for name in re.findall(r"python3? -m dev (\w+)", text_of(path))}
    assert {"demo", "test"} <= named
    assert named <= set(COMMANDS)
    missing = [name for name in named if not ((ROOT / "dev" / f"{name}.py").exists() or (ROOT / "dev" / name).is_dir())]
    assert missing == []


def test_every_setting_that_a_page_names_exists() -> None:
    """A name in backticks and capitals is a setting, a reason code, a deployment parameter, or a known foreign name."""
    parameters = text_of(ROOT / "infra" / "main.bicepparam")
    known = {name.env for name in NAMES} | set(HOST_NAMES) | {reason.value for reason in Reason} | OUTSIDERS
    known |= {reason.value for reason in CommandReason}
    known |= set(re.findall(r"readEnvironmentVariable\('(\w+)'", parameters))  # what whoever deploys may set
    shape = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`")
    unknown = {
        f"{name_of(path)}: {name}" for path in documents() for name in shape.findall(text_of(path)) if name not in known
    }
    assert unknown == set()


def test_the_deployment_sets_what_the_app_reads() -> None:
    """Every name is a setting or the platform's, and together they let the app start."""
    tuned = json.loads((ROOT / "infra" / "settings.json").read_text(encoding="utf-8"))
    template = (ROOT / "infra" / "modules" / "app.bicep").read_text(encoding="utf-8")
    block = re.search(r"loadJsonContent\('\.\./settings\.json'\), \{(.*?)\n  \}\)", template, re.DOTALL)
    assert block is not None
    derived = re.findall(r"^\s+(\w+):", block[1], re.MULTILINE)
    known = {name.env for name in NAMES} | set(HOST_NAMES)
    assert [name for name in (*tuned, *derived) if name not in known and not PLATFORM.fullmatch(name)] == []
    addresses = {name: "https://made-up.example" for name in derived if name.endswith(("_URL", "_ENDPOINT"))}
    Settings.from_env({"ServiceBus__fullyQualifiedNamespace": "bus.example", **addresses, **tuned})
    assert set(tuned) | set(derived) >= {"RECONCILE_SCHEDULE", "AUDIT_SCHEDULE"}


def test_every_requirement_is_bounded() -> None:
    """The range goes from the tested version to the next that may break; exact versions are in the lock file."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    requirements = [line.partition("#")[0].partition(";")[0].strip() for line in lines]
    requirements = [requirement for requirement in requirements if requirement]
    assert len(requirements) > 5
    shape = re.compile(r"[a-z0-9-]+(\[[a-z,]+\])?>=[\d.]+,<[\d.]+")
    assert [requirement for requirement in requirements if not shape.fullmatch(requirement)] == []


def test_the_functions_end_before_the_host_ends_them(tmp_path: Path) -> None:
    """At functionTimeout the worker restarts with all its work, so the app's own limit comes well before it."""
    settings = tmp_path / "settings.json"
    settings.write_text('{"IsEncrypted": false, "Values": {}}')
    host = read(ROOT / "host.json", settings)
    assert host.function_timeout_s is not None
    assert host.function_timeout_s >= function_app.LAST_RESORT_S + 20
    assert host.lock_renewal_s >= host.function_timeout_s
    (bound,) = (name for name in NAMES if name.env == "INVOCATION_TIMEOUT_S")
    assert int(bound.default) < function_app.LAST_RESORT_S
    bound.read("240")


def test_every_package_has_its_licence() -> None:
    """A wheel is handed on without this repository, so it has the text with it."""
    folders = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
    assert len(folders) == 2
    for folder in folders:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert (project["license"], project["license-files"]) == ("MIT", ["LICENSE"]), folder.name
        assert f"The {folder.name} authors" in (folder / "LICENSE").read_text(encoding="utf-8")
