"""Setting GitHub up and looking at a deployment, on an `az`, a `gh` and a small app that answer as the real ones do."""

import ast
import json
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.infra.snapshots import INFRA
from tests.infra.test_package import package

pytestmark = pytest.mark.process  # az, azd and their like are programs

#: Answers from a file by the first words of the call, and writes every call down. What it imports would be most of its
#: cost: both files are Python, and what it prints is JSON already.
PROGRAM = """#!{python} -IS
import os, sys
folder = os.environ["FAKE_FOLDER"]
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(os.path.join(folder, "calls"), "a") as calls:
    calls.write(repr(words) + "\\n")
with open(os.path.join(folder, "answers")) as answers:
    for start, refusal, answer in eval(answers.read()):
        if " ".join(words).startswith(start):
            if refusal:
                sys.exit(answer)
            print(answer) if answer != "null" else None
            sys.exit(0)
sys.exit("no answer to " + " ".join(words))
"""


def load(name: str) -> Any:
    """A script of infra/ as a module."""
    spec = package.importlib.util.spec_from_file_location(name, INFRA / f"{name}.py")
    module = package.importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


github, smoke = load("github"), load("smoke")


@dataclass
class CommandContext:
    """A machine with az and gh on it."""

    folder: Path
    env: dict[str, str]
    answers: dict[str, Any] = field(default_factory=dict)

    def calls(self) -> list[list[str]]:
        """What the programs were called with."""
        return [ast.literal_eval(line) for line in (self.folder / "calls").read_text().splitlines()]

    def write(self) -> None:
        """Put the answers where the programs read them."""
        said = [
            (start, refused := isinstance(each, str), each if refused else json.dumps(each))
            for start, each in self.answers.items()
        ]
        (self.folder / "answers").write_text(repr(said))


@pytest.fixture
def command_context(tmp_path: Path) -> CommandContext:
    """A context with az and gh that answer as to an owner of both."""
    for name in ("az", "gh"):
        program = tmp_path / name
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o755)
    outputs = {"clientId": {"value": "client"}, "tenantId": {"value": "tenant"}}
    answers = {
        "gh api repos/ada/shop/actions/oidc": {"use_default": True},
        "gh api --method PUT": {"id": 1},
        "gh variable set": None,
        "az account show": {"id": "subscription"},
        "az deployment sub create": outputs,
    }
    return CommandContext(tmp_path, {"PATH": str(tmp_path), "FAKE_FOLDER": str(tmp_path)}, answers)


def test_github_may_deploy(command_context: CommandContext) -> None:
    """One identity that believes two environments, and both know it; nothing secret is given to anybody."""
    command_context.write()
    assert github.main(["--repository", "ada/shop"], command_context.env) == 0
    (made,) = [call for call in command_context.calls() if call[1:3] == ["deployment", "sub"]]
    assert 'environments=["staging", "production"]' in made
    assert "repository=ada/shop" in made
    variables = {
        (call[call.index("--env") + 1], call[3]): call[-1] for call in command_context.calls() if call[1] == "variable"
    }
    assert variables["production", "AZURE_CLIENT_ID"] == "client"
    assert variables["staging", "AZURE_ENV_NAME"] == "darkroom-staging"
    assert len(variables) == 10
    assert not [call for call in command_context.calls() if call[1] == "secret"]


def test_subjects_of_another_form_are_said(command_context: CommandContext, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is made: the sign-in would be refused with AADSTS700213."""
    command_context.answers["gh api repos/ada/shop/actions/oidc"] = {"use_default": False}
    command_context.write()
    assert github.main(["--repository", "ada/shop"], command_context.env) == 1
    assert "use_default=true" in capsys.readouterr().err
    assert not [call for call in command_context.calls() if call[0] == "az"]


def test_what_fails_is_said(command_context: CommandContext, capsys: pytest.CaptureFixture[str]) -> None:
    """In the program's own words."""
    command_context.answers["az deployment sub create"] = "(AuthorizationFailed) you are no owner"
    command_context.write()
    assert github.main(["--repository", "ada/shop"], command_context.env) == 1
    assert "you are no owner" in capsys.readouterr().err


def test_the_identity_may_assign_the_roles_of_the_templates_only() -> None:
    """The condition on its role names each of them, and no other."""
    guid = re.compile(r"'([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'")
    roles = guid.findall((INFRA / "modules" / "roles.bicep").read_text(encoding="utf-8"))
    text = (INFRA / "deployer.bicep").read_text(encoding="utf-8")
    assert sorted(guid.findall(text.partition("var assignable")[2].partition("], ', ')")[0])) == sorted(roles)


@dataclass
class App:
    """A deployed app's health route."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """It answers with each status in turn, and goes on with the last."""
    made = App()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = made.statuses.pop(0) if len(made.statuses) > 1 else made.statuses[0]
            body = b'{"secrets": "no access"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def deployed(command_context: CommandContext, app: App, names: list[str]) -> dict[str, str]:
    """The environment after a deployment in which Azure found these functions."""
    command_context.answers = {"az functionapp function list": [f"func-x/{name}" for name in names]}
    command_context.write()
    return command_context.env | {
        "FUNCTION_APP_URL": app.url,
        "FUNCTION_APP_NAME": "func-x",
        "AZURE_RESOURCE_GROUP": "rg-x",
    }


def test_a_deployment_is_waited_for(command_context: CommandContext, app: App) -> None:
    """A role that is late and a start that takes a while: it looks again, and is content at the end."""
    app.statuses = [503, 503, 200]
    waited: list[float] = []
    assert smoke.main(deployed(command_context, app, sorted(package.functions())), waited.append) == 0
    assert waited == [10, 10]


def test_a_function_that_is_not_found_is_named(
    command_context: CommandContext, app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    """Azure answers, and has lost one: an import that failed there."""
    found = sorted(package.functions() - {"observe"})
    waited: list[float] = []
    assert smoke.main(deployed(command_context, app, found), waited.append) == 1
    assert "Azure has not found observe" in capsys.readouterr().err
    assert sum(waited) == 300


def test_an_app_that_stays_ill_is_named(
    command_context: CommandContext, app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what its health route says."""
    app.statuses = [503]
    assert smoke.main(deployed(command_context, app, sorted(package.functions())), lambda _: None) == 1
    assert '503: {"secrets": "no access"}' in capsys.readouterr().err
