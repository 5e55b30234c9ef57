"""The simulators as processes: the ready line, and how they end."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.error import HTTPError

import httpx
import pytest

from replicate_simulator.child import environment
from replicate_simulator.child import started as running

pytestmark = pytest.mark.process

MODULES = {"replicate_simulator": "replicate", "replicate_simulator.content_safety": "content_safety"}


@contextmanager
def started(module: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A simulator process, killed if the test leaves it running."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", module, *options]
    with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line_of(stream: IO[str] | None) -> dict[str, str]:
    """The ready line."""
    assert stream is not None
    read: dict[str, str] = json.loads(stream.readline())
    return read


@pytest.mark.parametrize("module", MODULES)
def test_it_is_ready_and_ends_with_its_parent(module: str) -> None:
    """One JSON line, then it answers; when standard input ends it ends, quietly and with 0."""
    with started(module, "--exit-with-stdin") as process:
        ready = line_of(process.stdout)
        assert ready["ready"] == MODULES[module]
        assert httpx.get(f"{ready['url']}/_sim/stats").status_code == 200
        out, err = process.communicate(timeout=5)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_on_a_signal_and_takes_its_options(number: signal.Signals) -> None:
    """Given secrets are in the ready line and in force; a signal ends it with 0."""
    options = ("--token", "r8_mine", "--webhook-secret", "whsec_bWluZQ==", "--time-scale", "60")
    with started("replicate_simulator", *options) as process:
        ready = line_of(process.stdout)
        assert (ready["token"], ready["webhook_secret"]) == ("r8_mine", "whsec_bWluZQ==")
        headers = {"Authorization": "Bearer r8_mine"}
        answer = httpx.get(f"{ready['url']}/v1/webhooks/default/secret", headers=headers)
        assert answer.json() == {"key": "whsec_bWluZQ=="}
        process.send_signal(number)
        assert process.wait(timeout=5) == 0


def test_it_takes_a_catalog_and_destinations(tmp_path: Path) -> None:
    """What the catalog lists runs, and nothing of the app's; the account has its models from the beginning."""
    catalog = tmp_path / "catalog.toml"
    catalog.write_text('[models.film]\nreplicate = "acme/film"\nmodality = "video"\n', encoding="utf-8")
    with started("replicate_simulator", "--catalog", str(catalog), "--destination", "cats") as process:
        ready = line_of(process.stdout)
        models = httpx.get(f"{ready['url']}/_sim/stats").json()["models"]
    assert {"acme/film", "local/cats", "local/portraits"} <= set(models)
    assert "luma/ray-2-720p" not in models


def test_the_accounts_name_is_an_option() -> None:
    """It owns the destinations, and is what the API shows."""
    with started("replicate_simulator", "--username", "studio", "--token", "r8_mine") as process:
        url = line_of(process.stdout)["url"]
        headers = {"Authorization": "Bearer r8_mine"}
        assert httpx.get(f"{url}/v1/account", headers=headers).json()["username"] == "studio"
        assert httpx.get(f"{url}/v1/models/studio/portraits", headers=headers).json()["owner"] == "studio"


@pytest.mark.parametrize("module", MODULES)
def test_what_is_not_spoken_is_one_line_on_standard_error(module: str) -> None:
    """With its time and its logger; what is spoken writes none."""
    with started(module, "--exit-with-stdin") as process:
        ready = line_of(process.stdout)
        headers = {"Authorization": f"Bearer {ready.get('token')}"}
        assert httpx.get(f"{ready['url']}/_sim/stats").status_code == 200
        assert httpx.get(f"{ready['url']}/v1/pipelines", headers=headers).status_code == 404
        _, err = process.communicate(timeout=5)
    (line,) = err.splitlines()
    assert "WARNING replicate_simulator: The simulator does not speak GET /v1/pipelines: " in line


def test_made_secrets_have_the_real_form() -> None:
    """A token of 40 characters and a signing secret of 24 bytes."""
    with started("replicate_simulator", "--exit-with-stdin") as process:
        ready = line_of(process.stdout)
        assert (ready["token"][:3], len(ready["token"])) == ("r8_", 40)
        assert len(ready["webhook_secret"]) == len("whsec_") + 32
        process.communicate(timeout=5)


def test_a_child_is_switched_and_ends_with_its_block() -> None:
    """It takes its options, its faults are counted, and nobody answers when the block has ended."""
    with running("--token", "r8_mine") as child:
        assert (child.token, "r8_mine" in repr(child)) == ("r8_mine", False)
        child.switch("faults", kind="create_402", times=2)
        assert [each["times"] for each in httpx.get(f"{child.url}/_sim/faults").json()] == [2]
        with pytest.raises(HTTPError, match="400"):
            child.switch("faults", kind="weather")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{child.url}/_sim/stats")


def test_a_child_that_does_not_start_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """The reason is on its standard error."""
    with pytest.raises(RuntimeError, match="did not start"), running("--port", "none"):
        pass
    assert "invalid int value: 'none'" in capfd.readouterr().err
