"""The hooks of `azd provision`, on a small Replicate on loopback, and an `az` that writes down its calls."""

import ast
import importlib.util
import json
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.infra.snapshots import INFRA

pytestmark = pytest.mark.process  # az, azd and their like are programs

TOKEN = "r8_" + "t" * 37
SIGNING_SECRET = "whsec_" + "s" * 32

#: Keeps secrets as files in a folder, as a vault would; a call, its files and their modes go into the file
#: ``calls``. It is started 200 times, and what it imports would be most of its cost.
AZ = """#!{python} -IS
import os, sys
vault = os.environ["FAKE_VAULT"]

def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()

def write(name, text, mode="w"):
    with open(os.path.join(vault, name), mode) as file:
        file.write(text)

arguments = sys.argv[1:]
options = dict(zip(arguments, arguments[1:]))
files = [word.lstrip("@") for word in (options.get("--template-file"), options.get("--parameters")) if word]
record = {{"arguments": arguments, "files": files}}
record["modes"] = [os.stat(file).st_mode & 0o777 for file in files]
write("calls", repr(record) + "\\n", "a")
if os.path.exists(os.path.join(vault, "refusals")):
    left, text = read(vault, "refusals").split(maxsplit=1)
    write("refusals", str(int(left) - 1) + " " + text)
    if int(left) > 0:
        sys.exit(text)
if arguments[:3] == ["storage", "container", "immutability-policy"]:
    if arguments[3] == "lock":
        assert options["--if-match"] == "tag-1"
        write("policy", "Locked")
    else:
        print('{{"state": "' + read(vault, "policy") + '", "etag": "tag-1"}}')
elif arguments[:2] == ["resource", "show"]:
    secret = os.path.join(vault, options["--ids"].rpartition("/")[2])
    print(options["--ids"]) if os.path.exists(secret) else sys.exit("(ResourceNotFound) The resource was not found.")
else:
    import json
    given = json.loads(read(files[1]))["parameters"]
    template = json.loads(read(files[0]))
    assert template["parameters"]["value"]["type"] == "securestring"
    write(given["name"]["value"], given["value"]["value"])
"""


def load(name: str) -> ModuleType:
    """A hook as a module."""
    spec = importlib.util.spec_from_file_location(name, INFRA / "hooks" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


postprovision = load("postprovision")


@dataclass
class Replicate:
    """What the small Replicate was asked, and what it answers."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200
    secret: str = SIGNING_SECRET


@pytest.fixture
def replicate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    """It knows TOKEN and no other."""
    known = Replicate()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            authorization = self.headers.get("Authorization", "")
            known.asked.append((self.path, authorization))
            status = known.status if authorization == f"Bearer {TOKEN}" else 401
            answers = {"/account": {"username": "ada"}, "/webhooks/default/secret": {"key": known.secret}}
            body = json.dumps(answers[self.path]).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_port}"
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class CommandContext:
    """An operator's machine: its environment, its vault, what was asked of the operator, how long was waited."""

    env: dict[str, str]
    vault: Path
    answers: list[str] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)

    def run(self, *, rotate: bool = False, rotate_signing_key: bool = False) -> None:
        """Run the hook with somebody at the terminal, if there are answers."""
        ask = (lambda _: self.answers.pop(0)) if self.answers else None
        postprovision.Hook(self.env, ask, self.waited_s.append).run(
            rotate=rotate, rotate_signing_key=rotate_signing_key
        )

    def calls(self) -> list[dict[str, Any]]:
        """The calls of az."""
        file = self.vault / "calls"
        return [ast.literal_eval(line) for line in file.read_text().splitlines()] if file.exists() else []

    def stores(self, *names: str) -> list[dict[str, Any]]:
        """The calls of az that store something of these names; by default of Replicate's."""
        wanted = [f"darkroom-{name}" for name in names or BOTH]
        return [call for call in self.calls() if call["files"] and set(wanted) & set(call["arguments"])]

    def keys(self) -> dict[str, str]:
        """The ledger's keys in the vault."""
        return {name: (self.vault / name).read_text() for name in LEDGER_KEYS if (self.vault / name).exists()}

    def stored(self) -> dict[str, str]:
        """What is in the vault."""
        return {path.name: path.read_text() for path in self.vault.iterdir() if path.name.startswith("replicate-")}


@pytest.fixture
def command_context(tmp_path: Path, replicate: Replicate) -> CommandContext:
    """An empty vault, and no token in the environment."""
    vault, programs = tmp_path / "vault", tmp_path / "bin"
    vault.mkdir()
    programs.mkdir()
    az = programs / "az"
    az.write_text(AZ.format(python=sys.executable))
    az.chmod(0o755)
    env = {
        "PATH": str(programs),
        "FAKE_VAULT": str(vault),
        "KEY_VAULT_NAME": "kv-example",
        "AZURE_RESOURCE_GROUP": "rg-example",
        "AZURE_SUBSCRIPTION_ID": "11111111-1111-1111-1111-111111111111",
        "REPLICATE_API_URL": replicate.url,
    }
    return CommandContext(env, vault)


LEDGER_KEYS = ("signing-key", "ledger-names-key")

BOTH = {"replicate-api-token": TOKEN, "replicate-webhook-secret": SIGNING_SECRET}


def test_asks_for_the_token_and_fills_the_vault(
    command_context: CommandContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """The token is asked for, tried, and stored with the signing secret that Replicate gives for it."""
    command_context.answers = [TOKEN]
    command_context.run()
    assert command_context.stored() == BOTH
    said = capsys.readouterr()
    assert "account ada" in said.out
    assert TOKEN not in said.out + said.err
    assert SIGNING_SECRET not in said.out + said.err


def test_no_secret_is_an_argument_or_stays_on_disk(command_context: CommandContext) -> None:
    """Az gets each value in a file for its owner only, which is gone afterwards."""
    command_context.answers = [TOKEN]
    command_context.run()
    sets = command_context.stores()
    assert len(sets) == 2
    assert all(mode == stat.S_IRUSR | stat.S_IWUSR for call in sets for mode in call["modes"])
    assert not any(Path(file).exists() for call in sets for file in call["files"])
    assert not any(TOKEN in json.dumps(call["arguments"]) for call in command_context.calls())
    assert not any(SIGNING_SECRET in json.dumps(call["arguments"]) for call in command_context.calls())


def test_the_file_is_gone_also_when_az_fails(command_context: CommandContext) -> None:
    """Whatever becomes of the call."""
    command_context.answers = [TOKEN]
    (command_context.vault / "replicate-api-token").mkdir()  # so that az breaks when it writes
    with pytest.raises(postprovision.Failed):
        command_context.run(rotate=True)
    (call,) = command_context.stores()
    assert not any(Path(file).exists() for file in call["files"])


def test_a_wrong_token_is_asked_for_again(command_context: CommandContext, replicate: Replicate) -> None:
    """What is no token is not even sent; what Replicate refuses is not stored."""
    command_context.answers = ["sk-something", "r8_" + "x" * 37, TOKEN]
    command_context.run()
    assert command_context.stored() == BOTH
    assert not any("sk-something" in authorization for _, authorization in replicate.asked)


def test_three_wrong_tokens_are_enough(command_context: CommandContext) -> None:
    """Then it ends, with nothing stored."""
    command_context.answers = ["r8_" + "x" * 37] * 4
    with pytest.raises(postprovision.Failed, match="No token that Replicate accepts"):
        command_context.run()
    assert len(command_context.answers) == 1
    assert command_context.stored() == {}


def test_a_pipeline_gives_the_token_by_its_environment(command_context: CommandContext) -> None:
    """Nobody is asked."""
    command_context.env["REPLICATE_API_TOKEN"] = TOKEN
    command_context.run()
    assert command_context.stored() == BOTH


def test_a_pipeline_without_a_token_gets_an_error(
    command_context: CommandContext, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and what to set."""
    assert postprovision.main([], command_context.env, None) == 1
    assert "set REPLICATE_API_TOKEN" in capsys.readouterr().err


def test_what_is_there_is_kept(command_context: CommandContext, replicate: Replicate) -> None:
    """The next `azd provision` asks nothing and changes nothing."""
    command_context.env["REPLICATE_API_TOKEN"] = TOKEN
    command_context.run()
    before = len(command_context.stores())
    command_context.env["REPLICATE_API_TOKEN"] = "r8_" + "n" * 37
    command_context.run()
    assert command_context.stored() == BOTH
    assert len(command_context.stores()) == before == 2
    assert len(replicate.asked) == 2


def test_a_missing_signing_secret_is_fetched(command_context: CommandContext) -> None:
    """A run that died between the two is made good; the token is not stored again."""
    (command_context.vault / "replicate-api-token").write_text(TOKEN)
    command_context.answers = [TOKEN]
    command_context.run()
    assert len(command_context.stores()) == 1
    assert command_context.stored() == BOTH


def test_rotation_replaces_both(command_context: CommandContext) -> None:
    """--rotate asks although the vault is full."""
    for name in BOTH:
        (command_context.vault / name).write_text("old")
    command_context.answers = [TOKEN]
    command_context.run(rotate=True)
    assert command_context.stored() == BOTH


def test_a_role_that_is_not_known_yet_is_waited_for(command_context: CommandContext) -> None:
    """Refused right after the deployment is taken for the slowness of roles, for five minutes at most."""
    (command_context.vault / "refusals").write_text("3 (AuthorizationFailed) The client does not have authorization.")
    command_context.answers = [TOKEN]
    command_context.run()
    assert command_context.stored() == BOTH
    assert command_context.waited_s == [10, 10, 10]


def test_a_role_that_never_comes_ends_it(command_context: CommandContext) -> None:
    """And says what Azure said."""
    (command_context.vault / "refusals").write_text(
        "1000 (AuthorizationFailed) The client does not have authorization."
    )
    with pytest.raises(postprovision.Failed, match="does not have authorization"):
        command_context.run()
    assert sum(command_context.waited_s) == 300


@pytest.mark.parametrize("code", ["ForbiddenByConnection", "ForbiddenByFirewall", "Forbidden"])
def test_a_closed_network_is_no_late_role(command_context: CommandContext, code: str) -> None:
    """It is as closed in five minutes: said at once, with Azure's own words."""
    (command_context.vault / "refusals").write_text(f"1000 ({code}) Public network access is disabled.")
    with pytest.raises(postprovision.Failed, match=code):
        command_context.run()
    assert command_context.waited_s == []


def test_nothing_asks_the_vault_itself(command_context: CommandContext) -> None:
    """All goes by Azure's control plane, which a closed network lets through."""
    command_context.answers = [TOKEN]
    command_context.run()
    assert {tuple(call["arguments"][:2]) for call in command_context.calls()} == {
        ("resource", "show"),
        ("deployment", "group"),
    }


def test_a_sign_in_that_has_ended_is_said(command_context: CommandContext) -> None:
    """An assertion of OIDC lives five minutes; waiting does not make it younger."""
    (command_context.vault / "refusals").write_text(
        "1000 AADSTS700024: Client assertion is not within its valid time range."
    )
    with pytest.raises(postprovision.Failed, match="sign in again"):
        command_context.run()
    assert command_context.waited_s == []


def test_a_busy_replicate_ends_it(command_context: CommandContext, replicate: Replicate) -> None:
    """A token that could not be tried is not stored."""
    replicate.status = 503
    command_context.answers = [TOKEN]
    with pytest.raises(postprovision.Failed, match="answered 503"):
        command_context.run()
    assert command_context.stored() == {}


def test_a_strange_signing_secret_is_not_stored(command_context: CommandContext, replicate: Replicate) -> None:
    """Webhooks could never be verified with it."""
    replicate.secret = "something"
    command_context.answers = [TOKEN]
    with pytest.raises(postprovision.Failed, match="whsec_"):
        command_context.run()
    assert command_context.stored() == {"replicate-api-token": TOKEN}


def test_az_must_be_there(command_context: CommandContext) -> None:
    """Its absence is named."""
    command_context.env["PATH"] = ""
    with pytest.raises(postprovision.Failed, match="not on PATH"):
        command_context.run()


def test_unknown_arguments_are_refused(command_context: CommandContext) -> None:
    """Before anything is done."""
    assert postprovision.main(["--force"], command_context.env, None) == 2
    assert command_context.calls() == []
