#!/usr/bin/env python3
"""Let GitHub deploy, without a secret of Azure's: done once by whoever owns the subscription and the repository.

    python3 infra/github.py --repository owner/name [--environments staging,production] [--location swedencentral]

It makes an identity in Azure (deployer.bicep) that believes GitHub's own word that a job runs in one of these
environments, and sets identity, tenant and subscription as variables of the environments. It needs ``az``
(signed in as an owner) and ``gh`` (signed in as an administrator of the repository). Twice is the same as once.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).resolve().parent / "deployer.bicep"


class Failed(Exception):  # noqa: N818  # it says how it ended
    """The set-up cannot go on. The text says what to do."""


@dataclass(frozen=True)
class CommandContext:
    """The two programs, with the environment that they run in."""

    env: Mapping[str, str]

    def run(self, program: str, *words: str) -> Any:
        """Returns what a program prints, parsed as JSON; None if it prints nothing. Raises Failed."""
        path = shutil.which(program, path=self.env.get("PATH"))
        if path is None:
            raise Failed(f"{program} is not on PATH")
        done = subprocess.run([path, *words], env=dict(self.env), check=False, capture_output=True, text=True)  # noqa: S603  # ours
        if done.returncode:
            raise Failed(f"{program} {' '.join(words[:3])} failed:\n{done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def set_up(command_context: CommandContext, repository: str, environments: list[str], location: str) -> None:
    """The identity, then the environments with their variables."""
    subjects = command_context.run("gh", "api", f"repos/{repository}/actions/oidc/customization/sub") or {}
    if subjects.get("use_default") is False:
        raise Failed(
            f"{repository} has subjects of its own form for OIDC, which deployer.bicep does not know: "
            f"gh api --method PUT repos/{repository}/actions/oidc/customization/sub -F use_default=true"
        )
    account = command_context.run("az", "account", "show", "--output", "json")
    given = (f"repository={repository}", f"environments={json.dumps(environments)}", f"location={location}")
    made = command_context.run(
        "az",
        *("deployment", "sub", "create", "--name", "darkroom-deployer", "--location", location),
        *("--template-file", str(TEMPLATE), "--parameters", *given),
        *("--query", "properties.outputs", "--output", "json"),
    )
    variables = {
        "AZURE_CLIENT_ID": made["clientId"]["value"],
        "AZURE_TENANT_ID": made["tenantId"]["value"],
        "AZURE_SUBSCRIPTION_ID": account["id"],
        "AZURE_LOCATION": location,
    }
    for environment in environments:
        command_context.run("gh", "api", "--method", "PUT", f"repos/{repository}/environments/{environment}")
        for name, value in (variables | {"AZURE_ENV_NAME": f"darkroom-{environment}"}).items():
            command_context.run(
                "gh", "variable", "set", name, "--repo", repository, "--env", environment, "--body", value
            )
        sys.stdout.write(f"{repository}: the environment {environment} may deploy\n")


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Returns 0 done, 1 failed, 2 wrong arguments."""
    parser = argparse.ArgumentParser(prog="github.py", description="Let GitHub deploy to Azure.")
    parser.add_argument("--repository", required=True, help="owner/name")
    parser.add_argument("--environments", default="staging,production", help="with commas between")
    parser.add_argument("--location", default="swedencentral")
    given = parser.parse_args(argv)
    try:
        set_up(CommandContext(env), given.repository, given.environments.split(","), given.location)
    except Failed as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
