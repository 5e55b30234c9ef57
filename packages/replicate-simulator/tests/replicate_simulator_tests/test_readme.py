"""README.md: its example runs as it stands, and its tables are what the code has."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from aiohttp import web

from replicate_simulator import content_safety
from replicate_simulator.catalog import read_catalog
from replicate_simulator.child import environment
from replicate_simulator.clock import Clock
from replicate_simulator.engine import Settings, Simulator
from replicate_simulator.faults import KINDS
from replicate_simulator.server import make_app
from replicate_simulator_tests import contract, installed

FOLDER = Path(__file__).parents[2]
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The block of code in a language: there is one."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(found)


def named_in(heading: str, pattern: str) -> set[str]:
    """What a section's tables name in code style."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {each for each in re.findall(r"`([^`]+)`", section) if re.fullmatch(pattern, each)}


async def routes() -> set[str]:
    """The simulator's own routes: method and path, with {} for what varies."""
    app = make_app(Simulator(Settings("r8_x"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Clock()))
    found = {(each.method, each.resource) for each in app.router.routes() if isinstance(each.resource, web.Resource)}
    return {f"{method} {re.sub('{[^}]*}', '{}', resource.canonical)}" for method, resource in found if method != "HEAD"}


@pytest.mark.process
def test_the_example_prints_what_it_says() -> None:
    """With Replicate's own client 1.0, as it stands: each line that it prints is in its comment."""
    example = block("python")
    assert len([line for line in example.splitlines() if line and not line.startswith(("import", "from"))]) <= 10
    paths = [str(installed.folder_of("python-1")), str(FOLDER / "src")]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SYSTEMROOT")}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", example],
        env={**kept, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.stdout.splitlines() == re.findall(r"  # (.*)", example), ran.stderr[-2000:]


def test_the_example_needs_what_the_page_installs() -> None:
    """Each package that it imports is in the line that installs."""
    (line,) = re.findall(r"^    pip install (.*)", README, re.MULTILINE)
    needed = set(re.findall(r"^(?:import|from) (\w+)", block("python"), re.MULTILINE))
    assert {each.rpartition("/")[2].replace("-", "_") for each in line.split()} == needed


async def test_the_operations_are_those_of_the_api() -> None:
    """The table names each route of /v1 once, and nothing else."""
    spoken = {each.replace(" /v1", " ") for each in await routes() if re.match(r"\w+ /v1/(?!v1)", each)}
    assert named_in("What it speaks", "[A-Z]+ /.*") == spoken
    assert f"All {len(spoken)} operations" in README


@contract.needs_document
async def test_the_operations_are_those_of_the_document() -> None:
    """None of the document's is missing, and none is made up."""
    documented = {f"{method} {re.sub('{[^}]*}', '{}', path)}" for method, path in contract.operations()}
    assert named_in("What it speaks", "[A-Z]+ /.*") == documented


async def test_the_switches_and_the_faults_are_those_of_the_code() -> None:
    """Each request of /_sim, and each kind of fault."""
    switched = {each for each in await routes() if " /_sim/" in each}
    assert named_in("What a test switches", "[A-Z]+ /.*") == switched
    assert named_in("What a test switches", "[a-z]+[a-z0-9_]*") - {"faults"} == set(KINDS)
    assert set(content_safety.FAULTS) <= named_in("The Content Safety simulator", "[a-z_]+")


@pytest.mark.process
def test_the_options_are_those_of_the_command() -> None:
    """Each option of `python -m replicate_simulator`, and no other."""
    command = [sys.executable, "-m", "replicate_simulator", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout
    listed = {each.split()[0] for each in named_in("Options", "--.*")}
    assert listed == set(re.findall(r"--[a-z-]+", said)) - {"--help"}


def test_the_catalog_is_read() -> None:
    """The example is TOML, and its model runs with all its inputs."""
    read = read_catalog(block("toml"))
    (model,) = read.models
    assert read.left_out == ()
    assert (model.name, model.modality, model.duration) == ("acme/film", "video", "seconds")
    assert set(model.inputs) == set(tomllib.loads(block("toml"))["models"]["film"]["inputs"])
