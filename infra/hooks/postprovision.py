#!/usr/bin/env python3
"""After provisioning: put Replicate's API token and webhook signing secret, and the ledger's keys, into the vault.

Rules of this file:
1. The standard library alone: it runs before anything of the project is installed.
2. A secret is never an argument of a command (anybody on the machine can list those), never printed, and on disk only
   in a file that its owner alone can read and that is gone when the command has ended.
3. What is in the vault is kept. To put a new token in, run it with --rotate.
4. The keys of the ledger are made here, once. --rotate-signing-key makes a new one to sign with. The key of names is
   never replaced, because every ledger was written with it.
5. Where LOCK_PROOFS is true, the policy that keeps the signed heads is locked, once and for ever.

The token is taken from REPLICATE_API_TOKEN where that is set (a pipeline), and otherwise asked for.
"""

import base64
import getpass
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN = "replicate-api-token"  # noqa: S105  # the secret's name
SIGNING_SECRET = "replicate-webhook-secret"  # noqa: S105  # as above

SIGNING_KEY, NAMES_KEY = "signing-key", "ledger-names-key"

#: The container of the signed heads: PROOFS_CONTAINER of infra/settings.json.
SETTINGS = Path(__file__).parents[1] / "settings.json"

API = "https://api.replicate.com/v1"

#: A new role takes up to some minutes to reach every part of Azure. A refusal is retried this often, with this pause.
#: No other error is retried: a closed network (ForbiddenByConnection) will still be closed in five minutes.
ROLE_TRIES, ROLE_PAUSE_S = 30, 10
LATE_ROLE = "AuthorizationFailed"

#: An OIDC assertion lives for five minutes. After that, a token for a new audience is refused.
EXPIRED = "AADSTS700024"

VAULT_API = "2024-11-01"

#: Stores one secret by a deployment, as main.bicep does with a token that a pipeline passes.
TEMPLATE: dict[str, Any] = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "parameters": {"vault": {"type": "string"}, "name": {"type": "string"}, "value": {"type": "securestring"}},
    "resources": [
        {
            "type": "Microsoft.KeyVault/vaults/secrets",
            "apiVersion": VAULT_API,
            "name": "[concat(parameters('vault'), '/', parameters('name'))]",
            "properties": {"value": "[parameters('value')]", "contentType": "text/plain"},
        }
    ],
}

#: How often the hook asks again after Replicate did not accept the token.
TOKEN_TRIES = 3

#: Seconds to wait for one answer of Replicate.
ANSWER_S = 30


class Failed(Exception):  # noqa: N818  # it says how it ended
    """The hook cannot go on. The text says what to do, and contains no secret."""


class Refused(Failed):
    """Replicate does not accept the token."""


@dataclass(frozen=True)
class Hook:
    """The environment, input and commands of the hook. Tests pass their own."""

    env: Mapping[str, str]
    ask: Callable[[str], str] | None  # None: nobody is there to be asked
    sleep: Callable[[float], None] = time.sleep

    def run(self, *, rotate: bool, rotate_signing_key: bool = False) -> None:
        """Fill the vault, and lock what is to be locked. Raises Failed with what to do."""
        for name in (SIGNING_KEY, NAMES_KEY):
            if (rotate_signing_key and name == SIGNING_KEY) or not self._is_stored(name):
                self._store(name, base64.b64encode(secrets.token_bytes(32)).decode())
        if not rotate_signing_key:
            self._fill(rotate=rotate)
        if self.env.get("LOCK_PROOFS", "").lower() == "true" and self.env.get("PROOFS_LOCKED", "").lower() != "true":
            self._lock_proofs()

    def _fill(self, *, rotate: bool) -> None:
        stored = set() if rotate else {name for name in (TOKEN, SIGNING_SECRET) if self._is_stored(name)}
        if stored == {TOKEN, SIGNING_SECRET}:
            _say("The vault has both secrets already. To replace them: infra/hooks/postprovision.py --rotate")
            return
        token = self._good_token()
        if TOKEN not in stored:
            self._store(TOKEN, token)
        self._store(SIGNING_SECRET, self._signing_secret(token))

    # Replicate.

    def _good_token(self) -> str:
        given = self.env.get("REPLICATE_API_TOKEN", "").strip()
        if given:
            self._check(given)
            return given
        if self.ask is None:
            raise Failed("No Replicate token: set REPLICATE_API_TOKEN, or run `azd provision` at a terminal.")
        for _ in range(TOKEN_TRIES):
            token = self.ask("Replicate API token (r8_..., from replicate.com/account/api-tokens; not shown): ").strip()
            try:
                self._check(token)
            except Refused as refused:
                _say(str(refused))
            else:
                return token
        raise Failed("No token that Replicate accepts.")

    def _check(self, token: str) -> None:
        if not token.startswith("r8_") or not token.isascii() or not token.isprintable() or " " in token:
            raise Refused("A Replicate token begins with r8_ and has no blanks.")
        account = self._get("account", token)
        _say(f"Replicate knows this token: account {account.get('username', '?')}.")

    def _signing_secret(self, token: str) -> str:
        key = self._get("webhooks/default/secret", token).get("key")
        if not isinstance(key, str) or not key.startswith("whsec_"):
            raise Failed("Replicate's webhook signing secret is not of the form whsec_...")
        return key

    def _get(self, path: str, token: str) -> dict[str, Any]:
        url = f"{self.env.get('REPLICATE_API_URL') or API}/{path}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310  # ours, or the operator's
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310  # as above
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 401:
                raise Refused("Replicate does not accept this token.") from None
            raise Failed(f"Replicate answered {error.code} to {path}; try again later.") from None
        except (OSError, ValueError) as error:
            raise Failed(f"Replicate could not be reached for {path}: {type(error).__name__}.") from None
        return body if isinstance(body, dict) else {}

    # The proofs.

    def _lock_proofs(self) -> None:
        """Lock the policy of their container, and remember it: a template cannot write a locked policy again."""
        account = urllib.parse.urlsplit(self._given("STORAGE_BLOB_URL")).hostname or ""
        container = json.loads(SETTINGS.read_text(encoding="utf-8"))["PROOFS_CONTAINER"]
        where = ("--account-name", account.partition(".")[0], "--container-name", container)
        policy = ("storage", "container", "immutability-policy")
        shown = self._az(*policy, "show", *where, "--output", "json")
        if shown.returncode:
            raise Failed(f"The policy of the proofs could not be read:\n{shown.stderr.strip()}")
        found = json.loads(shown.stdout)
        if found.get("state") != "Locked":
            locked = self._az(*policy, "lock", *where, "--if-match", found.get("etag", ""), "--output", "none")
            if locked.returncode:
                raise Failed(f"The policy of the proofs could not be locked:\n{locked.stderr.strip()}")
            _say("The proofs of ledgers are locked: nobody can change or delete them before their days are over.")
        azd = shutil.which("azd", path=self.env.get("PATH"))
        if azd is not None:
            subprocess.run([azd, "env", "set", "PROOFS_LOCKED", "true"], env=dict(self.env), check=False)  # noqa: S603  # words of our own
        _say("A pipeline needs the variable PROOFS_LOCKED=true from now on.")

    # The vault, by Azure's control plane: it needs no role on the vault, and passes a closed network.

    def _is_stored(self, name: str) -> bool:
        secret = f"{self._vault()}/secrets/{name}"
        done = self._az("resource", "show", "--ids", secret, "--api-version", VAULT_API, "--query", "id")
        if done.returncode == 0:
            return True
        if "NotFound" in done.stderr:
            return False
        raise Failed(f"The vault did not answer for {name}:\n{done.stderr.strip()}")

    def _store(self, name: str, value: str) -> None:
        template, values = _file(json.dumps(TEMPLATE)), _file(json.dumps(_parameters(self._name(), name, value)))
        try:
            group = ("--resource-group", self._given("AZURE_RESOURCE_GROUP"), "--name", f"darkroom-{name}")
            files = ("--template-file", template, "--parameters", f"@{values}")
            done = self._az("deployment", "group", "create", *group, *files, "--output", "none")
        finally:
            for path in (template, values):
                with suppress(FileNotFoundError):
                    Path(path).unlink()
        if done.returncode:
            raise Failed(f"{name} could not be stored:\n{done.stderr.strip()}")
        _say(f"Stored {name}.")

    def _name(self) -> str:
        return self._given("KEY_VAULT_NAME")

    def _vault(self) -> str:
        subscription, group = self._given("AZURE_SUBSCRIPTION_ID"), self._given("AZURE_RESOURCE_GROUP")
        return (
            f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{self._name()}"
        )

    def _given(self, name: str) -> str:
        value = self.env.get(name, "")
        if not value:
            raise Failed(f"{name} is missing: run this through azd (`azd hooks run postprovision`).")
        return value

    def _az(self, *words: str) -> "subprocess.CompletedProcess[str]":
        az = shutil.which("az", path=self.env.get("PATH"))
        if az is None:
            raise Failed("The Azure CLI (az) is not on PATH: learn.microsoft.com/cli/azure/install-azure-cli")
        for tried in range(ROLE_TRIES):
            done = subprocess.run(  # noqa: S603  # names of our own, and paths
                [az, *words, "--only-show-errors"],
                env=dict(self.env),
                check=False,
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
            if EXPIRED in done.stderr:
                raise Failed(
                    f"The sign-in of this job has ended ({EXPIRED}): sign in again, then `azd hooks run postprovision`."
                )
            if done.returncode == 0 or LATE_ROLE not in done.stderr:
                return done
            if tried == 0:
                _say("Your role is not known everywhere yet; this takes a few minutes at most.")
            self.sleep(ROLE_PAUSE_S)
        return done


def _file(text: str) -> str:
    """Yields a temporary file that only its owner can read."""
    handle, path = tempfile.mkstemp(suffix=".json")  # made with mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _parameters(vault: str, name: str, value: str) -> dict[str, Any]:
    given = {"vault": vault, "name": name, "value": value}
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {key: {"value": each} for key, each in given.items()},
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: list[str], env: Mapping[str, str], ask: Callable[[str], str] | None) -> int:
    """Run the hook. Returns 0 done, 1 failed, 2 wrong arguments."""
    if argv not in ([], ["--rotate"], ["--rotate-signing-key"]):
        sys.stderr.write("usage: postprovision.py [--rotate | --rotate-signing-key]\n")
        return 2
    try:
        Hook(env, ask).run(rotate=argv == ["--rotate"], rotate_signing_key=argv == ["--rotate-signing-key"])
    except Failed as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, getpass.getpass if sys.stdin.isatty() else None))
