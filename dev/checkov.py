"""`python3 -m dev checkov`: checks the deployment with the rules of checkov, which are independent of this project.

It reads the snapshots of infra/environments, so it needs no compiler. Checkov runs in an environment of its own,
``.local/checkov``, because its packages conflict with ours; the first run creates it. Checkov exits 0 for a file that
it cannot read, so an unread file or resource is reported as a finding here.
"""

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

from dev.setup import PROJECT
from dev.templates import snapshots

VERSION = "checkov==3.3.30"

#: One environment for each set of resources that checkov's rules distinguish.
READ = ("prod", "closed")

#: Rules that a template of this kind cannot keep, and why.
SKIPPED = {
    "CKV_AZURE_13": "App Service Authentication would block the webhook, whose signature is its authentication",
    "CKV_AZURE_17": "client certificates: Replicate sends none",
    "CKV_AZURE_18": "it is not documented that Flex Consumption accepts http20Enabled",
    "CKV_AZURE_35": "the open network: identities guard the data; VNET_ENABLED closes it",
    "CKV_AZURE_36": "trusted services: none of them needs these accounts",
    "CKV_AZURE_41": "Replicate's token and signing secret do not expire; an expiry date would only stop the app",
    "CKV_AZURE_59": "the open network, as above",
    "CKV_AZURE_63": "a web server's log: Flex Consumption has none",
    "CKV_AZURE_65": "a web server's log, as above",
    "CKV_AZURE_66": "a web server's log, as above",
    "CKV_AZURE_67": "http20Enabled, as above",
    "CKV_AZURE_78": "ftpsState is refused by Flex Consumption (error 51021); publishing by password is off",
    "CKV_AZURE_80": ".NET: this is Python",
    "CKV_AZURE_88": "Azure Files: Flex Consumption has none",
    "CKV_AZURE_99": "Cosmos DB: checkov wants a network filter; its public address is closed instead",
    "CKV_AZURE_109": "the open network, as above",
    "CKV_AZURE_134": "the open network, as above",
    "CKV_AZURE_189": "the open network, as above",
    "CKV_AZURE_206": "replication is DATA_REDUNDANCY; a deployment restores what the host's account holds",
    "CKV_AZURE_212": "Flex Consumption manages the instances itself",
    "CKV_AZURE_213": "healthCheckPath is not supported by Flex Consumption",
    "CKV_AZURE_222": "the app is public: Replicate must reach it",
    "CKV_AZURE_225": "zones of the plan: need two always-ready instances; a queue survives the loss of a zone",
    "CKV_AZURE_238": "Content Safety needs no identity: it calls no other service",
}


def main(argv: list[str]) -> int:
    """Run checkov; returns 0 without findings, 1 with findings, 2 for wrong arguments."""
    if argv:
        print("checkov takes no arguments", file=sys.stderr)
        return 2
    found = [finding for path in snapshots() if path.name.split(".")[0] in READ for finding in findings(path)]
    print("\n".join(found) or f"checkov: nothing found in {' and '.join(READ)}")
    return 1 if found else 0


def findings(snapshot: Path) -> list[str]:
    """The findings in one environment: broken rules, unused skips, and resources that checkov did not read."""
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    made = json.loads(snapshot.read_text(encoding="utf-8"))["predictedResources"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{snapshot.name.split('.')[0]}.json"
        file.write_text(json.dumps({"$schema": schema, "contentVersion": "1.0.0.0", "resources": made}))
        answer = _asked(file)
    summary = answer.get("summary", answer)
    known = len({(each["type"], each["name"]) for each in made})  # checkov identifies a resource by these
    if summary.get("parsing_errors") or summary.get("resource_count") != known:
        return [f"{snapshot.name}: checkov read {summary.get('resource_count')} of {known} resources"]
    return [
        f"{each['resource']}: {each['check_id']} {each['check_name']}" for each in answer["results"]["failed_checks"]
    ]


def _asked(file: Path) -> dict[str, Any]:
    command = [str(program()), "-f", str(file), "--framework", "arm", "--skip-download", "--output", "json"]
    done = subprocess.run(
        [*command, "--skip-check", ",".join(SKIPPED)], check=False, capture_output=True, text=True, timeout=300
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def program() -> Path:
    """The path of checkov in its own environment, which is made and filled when it is missing."""
    folder = PROJECT.local / "checkov"
    scripts = folder / ("Scripts" if sys.platform == "win32" else "bin")
    installed = folder / "installed"
    if not installed.exists() or installed.read_text(encoding="utf-8") != VERSION:
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", VERSION]
        subprocess.run(pip, check=True)
        installed.write_text(VERSION, encoding="utf-8")
    return scripts / "checkov"
