"""The command that runs checkov: what it takes for a finding. The run itself is a command of its own (it installs)."""

import json
from pathlib import Path
from typing import Any

import pytest

from dev import checkov
from dev.templates import snapshots


def answering(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    """Make checkov return the given output."""
    monkeypatch.setattr(checkov, "_asked", lambda _file: answer)


def prod() -> tuple[Path, int]:
    """A snapshot, and how many resources it has."""
    (path,) = [path for path in snapshots() if path.name.startswith("prod")]
    made = json.loads(path.read_text(encoding="utf-8"))["predictedResources"]
    return path, len({(each["type"], each["name"]) for each in made})


def test_what_it_could_not_read_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """It exits 0 over that, with a summary alone."""
    path, count = prod()
    answering(monkeypatch, {"passed": 0, "failed": 0, "parsing_errors": 0, "resource_count": 0})
    assert checkov.findings(path) == [f"prod.snapshot.json: checkov read 0 of {count} resources"]


def test_a_broken_rule_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the resource and the rule."""
    path, count = prod()
    failed = {"resource": "Microsoft.Storage/storageAccounts.x", "check_id": "CKV_AZURE_44", "check_name": "TLS"}
    summary = {"parsing_errors": 0, "resource_count": count}
    answering(monkeypatch, {"summary": summary, "results": {"failed_checks": [failed]}})
    assert checkov.findings(path) == ["Microsoft.Storage/storageAccounts.x: CKV_AZURE_44 TLS"]


def test_every_skip_has_its_reason() -> None:
    """In words, and not the rule's own name again."""
    assert all(len(reason) > 15 for reason in checkov.SKIPPED.values())
