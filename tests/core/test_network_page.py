"""docs/network.md: the destinations are those of the code, and each sample of a gateway says the same."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "network.md").read_text(encoding="utf-8")
INSIDE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def samples(language: str) -> list[str]:
    """The two samples of a gateway: the webhook, and the health check from inside."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_destinations_are_those_of_the_code() -> None:
    """Two are required; the status page is optional, and the secret's path is named."""
    settings = json.loads((ROOT / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
    rows = {line.split("|")[1].strip(): line for line in PAGE.splitlines() if line.startswith("| `")}
    api, files, status = (
        urlsplit(settings[f"REPLICATE_{name}_URL"]).hostname for name in ("API", "DELIVERY", "STATUS")
    )
    assert "required" in rows[f"`{api}`"]
    assert "/v1/webhooks/default/secret" in rows[f"`{api}`"]
    assert "required" in rows[f"`{files}`, `*.{files}`"]
    assert "optional" in rows[f"`{status}`"]


@pytest.mark.parametrize("language", ["nginx", "caddy", "yaml"])
def test_a_sample_exposes_the_webhook_alone(language: str) -> None:
    """With a bound of 4 MB; the health check answers private networks only, and nobody lists addresses of Replicate."""
    webhook, health = samples(language)
    assert "/api/webhooks/replicate" in webhook
    assert re.search(r"4m|4MB|4194304", webhook)
    assert "/api/health" in health
    assert all(network in health for network in INSIDE)
    for sample in (webhook, health):
        assert set(re.findall(r"\d+\.\d+\.\d+\.\d+(?:/\d+)?", sample)) <= {"127.0.0.1", *INSIDE}
        assert sample.count("{") == sample.count("}")


def test_the_samples_of_traefik_fit_together() -> None:
    """Each router names a middleware and the service that there are."""
    first, second = (YAML(typ="safe").load(text)["http"] for text in samples("yaml"))
    middlewares = {**first["middlewares"], **second["middlewares"]}
    for router in (*first["routers"].values(), *second["routers"].values()):
        assert set(router["middlewares"]) <= set(middlewares)
        assert router["service"] in first["services"]
